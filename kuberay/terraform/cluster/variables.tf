variable "account_id" {
  description = "The AWS account, as in ../aws."
  type        = string
}

variable "region" {
  description = "The AWS region, as in ../aws."
  type        = string
}

variable "cluster_name" {
  description = "Output `cluster_name` of ../aws."
  type        = string
}

variable "vpc_id" {
  description = "Output `vpc_id` of ../aws."
  type        = string
}

variable "karpenter" {
  description = "Output `karpenter` of ../aws: the queue of interruptions and the role of nodes."
  type = object({
    queue     = string
    node_role = string
  })
}

variable "zone_name" {
  description = "The public Route 53 zone, as in ../aws."
  type        = string
}

variable "bottlerocket_version" {
  description = "The node image. Pinned, so that nodes change when this line changes and not when AWS publishes one."
  type        = string
  default     = "v1.50.0"
}

variable "node_limits" {
  description = "CPUs that each pool may have at most: a bound on what a mistake costs."
  type        = object({ head = number, serve = number, state = number, ai = number })
  default     = { head = 8, serve = 32, state = 16, ai = 96 }
}
