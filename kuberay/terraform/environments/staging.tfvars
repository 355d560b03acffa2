# Replace the account, the zone, the host, the principals and the receivers.
environment         = "staging"
account_id          = "123456789012"
region              = "ap-northeast-2"
zone_name           = "example.com"
host                = "staging.trailmind.example.com"
vpc_cidr            = "10.1.0.0/16"
zones               = ["ap-northeast-2a", "ap-northeast-2c"]
nat_per_zone        = false
administrator_arns  = ["arn:aws:iam::123456789012:role/administrator"]
alert_emails        = ["operations@example.com"]
monthly_budget      = 600
requests_per_client = 6000
database = {
  instance_class   = "db.t4g.large"
  storage          = 100
  max_storage      = 200
  multi_az         = true
  backup_days      = 7
  keep_on_destroy  = true
  insights_enabled = true
}
valkey = {
  node_type     = "cache.t4g.medium"
  num_nodes     = 2
  snapshot_days = 1
}
