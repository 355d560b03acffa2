resource "aws_sesv2_configuration_set" "mail" {
  configuration_set_name = local.name

  delivery_options {
    tls_policy = "REQUIRE"
  }

  reputation_options {
    reputation_metrics_enabled = true
  }

  suppression_options {
    suppressed_reasons = ["BOUNCE", "COMPLAINT"]
  }
}

resource "aws_sesv2_email_identity" "mail" {
  email_identity         = var.host
  configuration_set_name = aws_sesv2_configuration_set.mail.configuration_set_name

  dkim_signing_attributes {
    next_signing_key_length = "RSA_2048_BIT"
  }
}

resource "aws_sesv2_email_identity_mail_from_attributes" "mail" {
  email_identity   = aws_sesv2_email_identity.mail.email_identity
  mail_from_domain = "mail.${var.host}"
}

resource "aws_route53_record" "dkim" {
  count = 3

  zone_id = data.aws_route53_zone.public.zone_id
  name    = "${aws_sesv2_email_identity.mail.dkim_signing_attributes[0].tokens[count.index]}._domainkey.${var.host}"
  type    = "CNAME"
  ttl     = 600
  records = ["${aws_sesv2_email_identity.mail.dkim_signing_attributes[0].tokens[count.index]}.dkim.amazonses.com"]
}

resource "aws_route53_record" "mail_from" {
  for_each = {
    MX  = "10 feedback-smtp.${var.region}.amazonses.com"
    TXT = "v=spf1 include:amazonses.com ~all"
  }

  zone_id = data.aws_route53_zone.public.zone_id
  name    = aws_sesv2_email_identity_mail_from_attributes.mail.mail_from_domain
  type    = each.key
  ttl     = 600
  records = [each.value]
}

resource "aws_route53_record" "dmarc" {
  zone_id = data.aws_route53_zone.public.zone_id
  name    = "_dmarc.${var.host}"
  type    = "TXT"
  ttl     = 600
  records = ["v=DMARC1; p=quarantine; adkim=s"]
}

resource "aws_sns_topic" "bounces" {
  name              = "${local.name}-bounces"
  kms_master_key_id = aws_kms_key.data.arn
}

resource "aws_sesv2_configuration_set_event_destination" "bounces" {
  configuration_set_name = aws_sesv2_configuration_set.mail.configuration_set_name
  event_destination_name = "bounces"

  event_destination {
    enabled              = true
    matching_event_types = ["BOUNCE", "COMPLAINT", "REJECT"]

    sns_destination {
      topic_arn = aws_sns_topic.bounces.arn
    }
  }
}

# SMTP needs a long-lived key; it may send from our identity and nothing else. It is the only secret in the state.
resource "aws_iam_user" "mail" {
  # checkov:skip=CKV_AWS_273:SMTP of SES has no other kind of credential.
  name = "${local.name}-mail"
}

resource "aws_iam_access_key" "mail" {
  user = aws_iam_user.mail.name
}

data "aws_iam_policy_document" "mail" {
  statement {
    actions   = ["ses:SendRawEmail"]
    resources = [aws_sesv2_email_identity.mail.arn, aws_sesv2_configuration_set.mail.arn]
  }
}

resource "aws_iam_user_policy" "mail" {
  # checkov:skip=CKV_AWS_40:The user exists for this policy alone.
  name   = "send"
  user   = aws_iam_user.mail.name
  policy = data.aws_iam_policy_document.mail.json
}
