# Replace the account, the zone, the host, the principals and the receivers.
environment         = "production"
account_id          = "123456789012"
region              = "ap-northeast-2"
zone_name           = "example.com"
host                = "trailmind.example.com"
vpc_cidr            = "10.0.0.0/16"
zones               = ["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c"]
nat_per_zone        = true
administrator_arns  = ["arn:aws:iam::123456789012:role/administrator"]
alert_emails        = ["operations@example.com"]
monthly_budget      = 1500
requests_per_client = 6000
database = {
  instance_class   = "db.r7g.large"
  storage          = 100
  max_storage      = 1000
  multi_az         = true
  backup_days      = 14
  keep_on_destroy  = true
  insights_enabled = true
}
valkey = {
  node_type     = "cache.r7g.large"
  num_nodes     = 2
  snapshot_days = 7
}
