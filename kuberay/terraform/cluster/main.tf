locals {
  system = { "trailmind.dev/nodes" = "system" }
}

resource "helm_release" "karpenter" {
  name       = "karpenter"
  namespace  = "kube-system"
  repository = "oci://public.ecr.aws/karpenter"
  chart      = "karpenter"
  version    = "1.14.0"
  wait       = true

  values = [yamlencode({
    settings     = { clusterName = var.cluster_name, interruptionQueue = var.karpenter.queue }
    nodeSelector = local.system
    controller   = { resources = { requests = { cpu = "250m", memory = "512Mi" }, limits = { memory = "512Mi" } } }
  })]
}

# A chart of our own, because a plan cannot contain custom resources whose kinds do not exist yet.
resource "helm_release" "node_pools" {
  name      = "node-pools"
  namespace = "kube-system"
  chart     = "${path.module}/node-pools"

  values = [yamlencode({
    clusterName         = var.cluster_name
    nodeRole            = var.karpenter.node_role
    bottlerocketVersion = var.bottlerocket_version
    limits              = var.node_limits
  })]

  depends_on = [helm_release.karpenter]
}

resource "helm_release" "load_balancer" {
  name       = "aws-load-balancer-controller"
  namespace  = "kube-system"
  repository = "https://aws.github.io/eks-charts"
  chart      = "aws-load-balancer-controller"
  version    = "3.6.0"

  values = [yamlencode({
    clusterName    = var.cluster_name
    region         = var.region
    vpcId          = var.vpc_id
    nodeSelector   = local.system
    serviceAccount = { name = "aws-load-balancer-controller" }
  })]
}

resource "helm_release" "dns" {
  name             = "external-dns"
  namespace        = "external-dns"
  create_namespace = true
  repository       = "https://kubernetes-sigs.github.io/external-dns"
  chart            = "external-dns"
  version          = "1.19.0"

  values = [yamlencode({
    provider       = { name = "aws" }
    domainFilters  = [var.zone_name]
    policy         = "upsert-only"
    txtOwnerId     = var.cluster_name
    nodeSelector   = local.system
    serviceAccount = { name = "external-dns" }
  })]
}

resource "helm_release" "secrets" {
  name             = "external-secrets"
  namespace        = "external-secrets"
  create_namespace = true
  repository       = "https://charts.external-secrets.io"
  chart            = "external-secrets"
  version          = "2.9.0"

  values = [yamlencode({
    installCRDs    = true
    nodeSelector   = local.system
    serviceAccount = { name = "external-secrets" }
  })]
}

# The CRDs are applied before it, and so is the namespace that it watches: see ../../README.md, "The operator".
resource "helm_release" "kuberay" {
  name             = "kuberay-operator"
  namespace        = "kuberay-operator"
  create_namespace = true
  repository       = "https://ray-project.github.io/kuberay-helm"
  chart            = "kuberay-operator"
  version          = "1.7.0"
  skip_crds        = true

  values = [
    file("${path.module}/../../operator-values.yaml"),
    yamlencode({ nodeSelector = local.system, replicas = 2 }),
  ]
}
