module "network" {
  source  = "terraform-aws-modules/vpc/aws"
  version = "6.6.0"

  name = local.name
  cidr = var.vpc_cidr
  azs  = var.zones

  # /19 for nodes and Pods: the VPC CNI gives every Pod an address of the subnet.
  private_subnets  = [for index in range(length(var.zones)) : cidrsubnet(var.vpc_cidr, 3, index)]
  public_subnets   = [for index in range(length(var.zones)) : cidrsubnet(var.vpc_cidr, 8, 192 + index)]
  database_subnets = [for index in range(length(var.zones)) : cidrsubnet(var.vpc_cidr, 8, 200 + index)]

  enable_nat_gateway     = true
  single_nat_gateway     = !var.nat_per_zone
  one_nat_gateway_per_az = var.nat_per_zone

  manage_default_security_group = true

  enable_flow_log                                 = true
  create_flow_log_cloudwatch_iam_role             = true
  create_flow_log_cloudwatch_log_group            = true
  flow_log_cloudwatch_log_group_retention_in_days = 30
  flow_log_cloudwatch_log_group_kms_key_id        = aws_kms_key.data.arn

  # The load balancer controller and Karpenter find the subnets by these tags.
  public_subnet_tags = { "kubernetes.io/role/elb" = "1" }
  private_subnet_tags = {
    "kubernetes.io/role/internal-elb" = "1"
    "karpenter.sh/discovery"          = local.name
  }
}

# Image layers come from S3: through the gateway they cost nothing, through NAT by the gigabyte.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = module.network.vpc_id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = module.network.private_route_table_ids
}

resource "aws_security_group" "stores" {
  name        = "${local.name}-stores"
  description = "PostgreSQL and Valkey, reachable from the nodes only"
  vpc_id      = module.network.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "stores" {
  for_each = { postgresql = 5432, valkey = 6379 }

  security_group_id            = aws_security_group.stores.id
  description                  = "${each.key} from the nodes"
  referenced_security_group_id = module.cluster.node_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}
