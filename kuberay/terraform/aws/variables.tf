variable "environment" {
  description = "Name of the environment; part of every resource's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must be 2 to 10 lower-case letters and digits: it becomes part of names with length limits."
  }
}

variable "account_id" {
  description = "The AWS account. Terraform stops when the credentials belong to another one."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "The AWS region of everything."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region such as ap-northeast-2."
  }
}

variable "zone_name" {
  description = "The public Route 53 zone, which exists already."
  type        = string
}

variable "host" {
  description = "The public host of the API and the dashboard, inside the zone."
  type        = string

  validation {
    condition     = endswith(var.host, var.zone_name)
    error_message = "host must be inside zone_name, or its certificate could not be validated."
  }
}

variable "vpc_cidr" {
  description = "The addresses of the VPC, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.vpc_cidr, 0)) && endswith(var.vpc_cidr, "/16")
    error_message = "vpc_cidr must be a /16 such as 10.0.0.0/16: the subnets are cut from it."
  }
}

variable "service_cidr" {
  description = "The addresses of the cluster's Services, outside the VPC."
  type        = string
  default     = "172.20.0.0/16"
}

variable "zones" {
  description = "Availability zones in use. Named, because a list from AWS changes when a region gets another one."
  type        = list(string)

  validation {
    condition     = contains([2, 3], length(var.zones)) && alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "zones must be 2 or 3 zones of the region: EKS and Multi-AZ stores need two."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone; false shares one, which is cheaper and a single point of failure."
  type        = bool
}

variable "kubernetes_version" {
  description = "The version of EKS."
  type        = string
  default     = "1.36"
}

variable "api_access_cidrs" {
  description = "The networks that reach the Kubernetes API from outside; none: private access only."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.api_access_cidrs, "0.0.0.0/0")
    error_message = "api_access_cidrs must not contain 0.0.0.0/0: name your networks."
  }
}

variable "administrator_arns" {
  description = "IAM principals that administer the cluster."
  type        = list(string)

  validation {
    condition     = length(var.administrator_arns) > 0
    error_message = "administrator_arns must name a principal, or nobody could use the cluster."
  }
}

variable "system_instance_types" {
  description = "Instance types of the nodes of the controllers."
  type        = list(string)
  default     = ["m7i.large", "m6i.large"]
}

variable "database" {
  description = "PostgreSQL: instance class, storage in GiB (first, at most), Multi-AZ, days of point-in-time recovery."
  type = object({
    instance_class   = string
    storage          = number
    max_storage      = number
    multi_az         = bool
    backup_days      = number
    keep_on_destroy  = bool
    insights_enabled = bool
  })

  validation {
    condition     = var.database.backup_days >= 1 && var.database.backup_days <= 35
    error_message = "database.backup_days must be 1 to 35: 0 turns point-in-time recovery off, and AWS keeps at most 35."
  }
}

variable "valkey" {
  description = "Both Valkey stores: node type, number of nodes (2 or more fail over), days of snapshots."
  type = object({
    node_type     = string
    num_nodes     = number
    snapshot_days = number
  })
}

variable "secrets_version" {
  description = "Increase it by one to create new passwords and tokens everywhere: see the README, \"Rotate secrets\"."
  type        = number
  default     = 1
}

variable "alert_emails" {
  description = "Receivers of the budget's and the stores' alarms."
  type        = list(string)

  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "alert_emails must name a receiver: an alarm nobody reads is none."
  }
}

variable "monthly_budget" {
  description = "US dollars a month; notices are sent at 80 % and, forecast, at 100 %."
  type        = number
}

variable "requests_per_client" {
  description = "Requests of one address in five minutes, above which the firewall refuses them."
  type        = number
  default     = 6000
}
