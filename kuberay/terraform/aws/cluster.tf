module "cluster" {
  source  = "terraform-aws-modules/eks/aws"
  version = "21.19.0"

  name               = local.name
  kubernetes_version = var.kubernetes_version
  # A version out of standard support is upgraded by AWS instead of costing six times as much.
  upgrade_policy      = { support_type = "STANDARD" }
  deletion_protection = true

  vpc_id            = module.network.vpc_id
  subnet_ids        = module.network.private_subnets
  service_ipv4_cidr = var.service_cidr

  endpoint_private_access      = true
  endpoint_public_access       = length(var.api_access_cidrs) > 0
  endpoint_public_access_cidrs = var.api_access_cidrs
  enabled_log_types            = ["api", "audit", "authenticator", "controllerManager", "scheduler"]

  cloudwatch_log_group_retention_in_days = 90
  cloudwatch_log_group_kms_key_id        = aws_kms_key.data.arn

  # Access entries instead of the aws-auth ConfigMap, and Pod Identity instead of one OIDC role per account.
  authentication_mode                      = "API"
  enable_cluster_creator_admin_permissions = false
  enable_irsa                              = false
  access_entries = {
    for arn in var.administrator_arns : arn => {
      principal_arn = arn
      policy_associations = {
        admin = {
          policy_arn   = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
          access_scope = { type = "cluster" }
        }
      }
    }
  }

  addons = {
    coredns                = {}
    kube-proxy             = {}
    eks-pod-identity-agent = { before_compute = true }
    vpc-cni = {
      before_compute = true
      # Without it every NetworkPolicy of ours is decoration.
      configuration_values = jsonencode({ enableNetworkPolicy = "true" })
    }
  }

  # For the controllers only: Karpenter cannot run on nodes that it creates.
  eks_managed_node_groups = {
    system = {
      instance_types = var.system_instance_types
      ami_type       = "BOTTLEROCKET_x86_64"
      min_size       = 2
      max_size       = 3
      desired_size   = 2
      labels         = { "trailmind.dev/nodes" = "system" }
      metadata_options = {
        http_endpoint               = "enabled"
        http_tokens                 = "required"
        http_put_response_hop_limit = 1
      }
    }
  }

  node_security_group_tags = { "karpenter.sh/discovery" = local.name }
}

module "karpenter" {
  source  = "terraform-aws-modules/eks/aws//modules/karpenter"
  version = "21.19.0"

  cluster_name = module.cluster.cluster_name
  namespace    = "kube-system"

  node_iam_role_use_name_prefix = false
  node_iam_role_name            = "${local.name}-node"
}

module "load_balancer_identity" {
  source  = "terraform-aws-modules/eks-pod-identity/aws"
  version = "2.8.1"

  name                            = "${local.name}-load-balancer"
  attach_aws_lb_controller_policy = true
  associations = {
    controller = {
      cluster_name    = module.cluster.cluster_name
      namespace       = "kube-system"
      service_account = "aws-load-balancer-controller"
    }
  }
}

module "external_dns_identity" {
  source  = "terraform-aws-modules/eks-pod-identity/aws"
  version = "2.8.1"

  name                          = "${local.name}-dns"
  attach_external_dns_policy    = true
  external_dns_hosted_zone_arns = [data.aws_route53_zone.public.arn]
  associations = {
    controller = {
      cluster_name    = module.cluster.cluster_name
      namespace       = "external-dns"
      service_account = "external-dns"
    }
  }
}

# Only the application's secrets, and no parameters.
module "secrets_identity" {
  source  = "terraform-aws-modules/eks-pod-identity/aws"
  version = "2.8.1"

  name = "${local.name}-secrets"
  policy_statements = {
    secrets = {
      actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
      resources = [for secret in aws_secretsmanager_secret.application : secret.arn]
    }
    key = {
      actions   = ["kms:Decrypt"]
      resources = [aws_kms_key.data.arn]
    }
  }
  attach_custom_policy = true
  associations = {
    controller = {
      cluster_name    = module.cluster.cluster_name
      namespace       = "external-secrets"
      service_account = "external-secrets"
    }
  }
}

module "backup_identity" {
  source  = "terraform-aws-modules/eks-pod-identity/aws"
  version = "2.8.1"

  name = "${local.name}-backup"
  policy_statements = {
    objects = {
      actions   = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
      resources = ["${aws_s3_bucket.private["backups"].arn}/*"]
    }
    bucket = {
      actions   = ["s3:ListBucket"]
      resources = [aws_s3_bucket.private["backups"].arn]
    }
    key = {
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [aws_kms_key.data.arn]
    }
  }
  attach_custom_policy = true
  associations = {
    backup = {
      cluster_name    = module.cluster.cluster_name
      namespace       = local.namespace
      service_account = "trailmind-backup"
    }
  }
}
