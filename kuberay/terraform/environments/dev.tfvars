# Replace the account, the zone, the host, the principals and the receivers.
environment         = "dev"
account_id          = "123456789012"
region              = "ap-northeast-2"
zone_name           = "example.com"
host                = "dev.trailmind.example.com"
vpc_cidr            = "10.2.0.0/16"
zones               = ["ap-northeast-2a", "ap-northeast-2c"]
nat_per_zone        = false
administrator_arns  = ["arn:aws:iam::123456789012:role/administrator"]
alert_emails        = ["operations@example.com"]
monthly_budget      = 300
requests_per_client = 6000
database = {
  instance_class   = "db.t4g.medium"
  storage          = 100
  max_storage      = 200
  multi_az         = false
  backup_days      = 1
  keep_on_destroy  = false
  insights_enabled = false
}
valkey = {
  node_type     = "cache.t4g.small"
  num_nodes     = 1
  snapshot_days = 0
}
