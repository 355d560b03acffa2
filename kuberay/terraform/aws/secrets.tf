locals {
  # Passwords and tokens that this configuration creates. Letters and digits only: they become parts of URLs.
  generated = toset(["database", "application", "gcs", "signing", "metrics", "ray"])
  smtp_host = "email-smtp.${var.region}.amazonaws.com"
}

ephemeral "random_password" "secret" {
  for_each = local.generated

  length  = 48
  special = false
}

# "providers" is filled by hand with the keys of model vendors and Stripe; this configuration never reads it.
resource "aws_secretsmanager_secret" "application" {
  for_each = toset(["application", "providers"])

  name                    = "${local.name}/${each.key}"
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "application" {
  secret_id                = aws_secretsmanager_secret.application["application"].id
  secret_string_wo_version = var.secrets_version
  secret_string_wo = jsonencode({
    DATABASE_URL            = "postgresql://trailmind:${ephemeral.random_password.secret["database"].result}@${module.database.db_instance_address}:5432/trailmind?sslmode=require"
    REDIS_URL               = "rediss://:${ephemeral.random_password.secret["application"].result}@${aws_elasticache_replication_group.valkey["application"].primary_endpoint_address}:6379/0"
    GCS_REDIS_PASSWORD      = ephemeral.random_password.secret["gcs"].result
    TRAILMIND_SECRET_KEY    = ephemeral.random_password.secret["signing"].result
    TRAILMIND_METRICS_TOKEN = ephemeral.random_password.secret["metrics"].result
    RAY_AUTH_TOKEN          = ephemeral.random_password.secret["ray"].result
    TRAILMIND_SMTP_URL      = "smtps://${aws_iam_access_key.mail.id}:${urlencode(aws_iam_access_key.mail.ses_smtp_password_v4)}@${local.smtp_host}:465"
  })
}
