module "database" {
  source  = "terraform-aws-modules/rds/aws"
  version = "7.2.0"

  identifier           = local.name
  engine               = "postgres"
  engine_version       = "18"
  major_engine_version = "18"
  family               = "postgres18"
  instance_class       = var.database.instance_class

  allocated_storage     = var.database.storage
  max_allocated_storage = var.database.max_storage
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.data.arn

  db_name  = "trailmind"
  username = "trailmind"
  port     = "5432"
  # Write-only: the state holds the version, not the password.
  manage_master_user_password = false
  password_wo                 = ephemeral.random_password.secret["database"].result
  password_wo_version         = var.secrets_version

  multi_az               = var.database.multi_az
  db_subnet_group_name   = module.network.database_subnet_group_name
  vpc_security_group_ids = [aws_security_group.stores.id]
  publicly_accessible    = false

  backup_retention_period = var.database.backup_days
  backup_window           = "17:00-18:00"
  maintenance_window      = "sun:18:30-sun:19:30"
  copy_tags_to_snapshot   = true
  deletion_protection     = var.database.keep_on_destroy
  skip_final_snapshot     = !var.database.keep_on_destroy

  auto_minor_version_upgrade            = true
  performance_insights_enabled          = var.database.insights_enabled
  performance_insights_kms_key_id       = var.database.insights_enabled ? aws_kms_key.data.arn : null
  monitoring_interval                   = 60
  create_monitoring_role                = true
  monitoring_role_name                  = "${local.name}-database"
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]
  create_cloudwatch_log_group           = true
  cloudwatch_log_group_kms_key_id       = aws_kms_key.data.arn
  ca_cert_identifier                    = "rds-ca-rsa2048-g1"
  iam_database_authentication_enabled   = false
  performance_insights_retention_period = 7

  parameters = [
    { name = "rds.force_ssl", value = "1" },
    # A transaction of a lost process must not hold locks: the application's own time-outs are shorter.
    { name = "idle_in_transaction_session_timeout", value = "60000" },
    { name = "log_min_duration_statement", value = "1000" },
    { name = "shared_preload_libraries", value = "pg_stat_statements", apply_method = "pending-reboot" },
  ]
}

resource "aws_elasticache_subnet_group" "valkey" {
  name       = local.name
  subnet_ids = module.network.database_subnets
}

locals {
  # Two stores: losing the application's costs live progress, losing the GCS's costs a cold start of the cluster. The GCS
  # needs one shard, and both must never evict a key.
  valkey = {
    application = "Progress events and rate limits"
    gcs         = "State of Ray's GCS"
  }
}

resource "aws_elasticache_parameter_group" "valkey" {
  name        = local.name
  family      = "valkey8"
  description = "${local.name}: never evict"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

resource "aws_elasticache_replication_group" "valkey" {
  for_each = local.valkey

  replication_group_id = "${local.name}-${each.key}"
  description          = each.value
  engine               = "valkey"
  engine_version       = "8.2"
  node_type            = var.valkey.node_type
  num_cache_clusters   = var.valkey.num_nodes
  port                 = 6379

  parameter_group_name       = aws_elasticache_parameter_group.valkey.name
  subnet_group_name          = aws_elasticache_subnet_group.valkey.name
  security_group_ids         = [aws_security_group.stores.id]
  automatic_failover_enabled = var.valkey.num_nodes > 1
  multi_az_enabled           = var.valkey.num_nodes > 1

  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.data.arn
  transit_encryption_enabled = true
  auth_token_wo              = ephemeral.random_password.secret[each.key].result
  auth_token_wo_version      = var.secrets_version

  snapshot_retention_limit   = var.valkey.snapshot_days
  snapshot_window            = "16:00-17:00"
  maintenance_window         = "sun:17:00-sun:18:00"
  auto_minor_version_upgrade = true
  apply_immediately          = false
}
