output "cluster_name" {
  description = "For `aws eks update-kubeconfig`, and for the configuration in ../cluster."
  value       = module.cluster.cluster_name
}

output "vpc_id" {
  description = "For the configuration in ../cluster."
  value       = module.network.vpc_id
}

output "karpenter" {
  description = "For the configuration in ../cluster."
  value = {
    queue     = module.karpenter.queue_name
    node_role = module.karpenter.node_iam_role_name
  }
}

output "overlay" {
  description = "The values of overlays/eks: `terraform output -json overlay | python -m kuberay.overlay_values`."
  value = {
    region           = var.region
    backup_bucket    = aws_s3_bucket.private["backups"].bucket
    host             = var.host
    vpc_cidr         = var.vpc_cidr
    service_cidr     = var.service_cidr
    certificate_arn  = aws_acm_certificate_validation.public.certificate_arn
    web_acl_arn      = aws_wafv2_web_acl.public.arn
    gcs_address      = aws_elasticache_replication_group.valkey["gcs"].primary_endpoint_address
    image_repository = aws_ecr_repository.application.repository_url
    secret_name      = aws_secretsmanager_secret.application["application"].name
    providers_secret = aws_secretsmanager_secret.application["providers"].name
  }
}

output "bounces_topic" {
  description = "The SNS topic with bounces and complaints of our mails."
  value       = aws_sns_topic.bounces.arn
}

output "buckets" {
  description = "The buckets by purpose."
  value       = { for name, bucket in aws_s3_bucket.private : name => bucket.bucket }
}
