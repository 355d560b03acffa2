/**
 * Sites that are never recorded, shipped with the extension. A host covers its subdomains. The list is a floor, not a
 * promise that everything private is on it; patterns below catch the usual names of what is missing.
 */

export type SiteKind = 'banking' | 'health' | 'mail' | 'login' | 'passwords' | 'government' | 'messages' | 'adult';

export const SENSITIVE_HOSTS: Readonly<Record<SiteKind, readonly string[]>> = {
  banking: [
    'kbstar.com', 'shinhan.com', 'shinhancard.com', 'wooribank.com', 'kebhana.com', 'hanabank.com', 'nonghyup.com',
    'ibk.co.kr', 'kakaobank.com', 'kbanknow.com', 'tossbank.com', 'toss.im', 'citibank.co.kr', 'standardchartered.co.kr',
    'samsungcard.com', 'hyundaicard.com', 'lottecard.co.kr', 'kbcard.com', 'bccard.com', 'kakaopay.com', 'pay.naver.com',
    'chase.com', 'bankofamerica.com', 'wellsfargo.com', 'citi.com', 'capitalone.com', 'usbank.com', 'pnc.com', 'ally.com',
    'americanexpress.com', 'discover.com', 'schwab.com', 'fidelity.com', 'vanguard.com', 'etrade.com', 'robinhood.com',
    'paypal.com', 'venmo.com', 'wise.com', 'revolut.com', 'n26.com', 'monzo.com', 'klarna.com', 'stripe.com',
    'hsbc.com', 'hsbc.co.uk', 'barclays.co.uk', 'lloydsbank.com', 'natwest.com', 'santander.com', 'santander.co.uk',
    'deutsche-bank.de', 'commerzbank.de', 'sparkasse.de', 'ing.com', 'ing.de', 'dkb.de', 'bnpparibas.com',
    'creditmutuel.fr', 'bbva.com', 'unicredit.it', 'ubs.com', 'rbc.com', 'td.com', 'scotiabank.com', 'bmo.com',
    'smbc.co.jp', 'mizuhobank.co.jp', 'mufg.jp', 'rakuten-bank.co.jp', 'icbc.com.cn', 'dbs.com',
    'coinbase.com', 'binance.com', 'kraken.com', 'upbit.com', 'bithumb.com', 'mint.intuit.com', 'turbotax.intuit.com',
  ],
  health: [
    'mychart.com', 'mychart.org', 'patient.info', 'patientportal.com', 'healow.com', 'zocdoc.com', 'teladoc.com',
    'betterhelp.com', 'talkspace.com', 'goodrx.com', '23andme.com', 'ancestryhealth.com', 'kaiserpermanente.org',
    'nhs.uk', 'doctolib.de', 'doctolib.fr', 'nhis.or.kr', 'hira.or.kr', 'goodoc.co.kr', 'ddocdoc.com',
    'plannedparenthood.org', 'healthcare.gov', 'cvs.com', 'walgreens.com', 'medlineplus.gov',
  ],
  mail: [
    'mail.google.com', 'mail.naver.com', 'mail.daum.net', 'mail.kakao.com', 'mail.nate.com', 'mail.yahoo.com',
    'mail.yahoo.co.jp', 'outlook.live.com', 'outlook.office.com', 'outlook.office365.com', 'outlook.com', 'mail.proton.me',
    'mail.protonmail.com', 'fastmail.com', 'app.tuta.com', 'mail.zoho.com', 'mail.aol.com', 'mail.ru', 'mail.yandex.com',
    'icloud.com', 'mailbox.org', 'gmx.net', 'gmx.com', 'web.de', 'hey.com', 'qq.com',
  ],
  login: [
    'accounts.google.com', 'myaccount.google.com', 'nid.naver.com', 'accounts.kakao.com', 'login.live.com',
    'login.microsoftonline.com', 'account.microsoft.com', 'appleid.apple.com', 'idmsa.apple.com', 'account.apple.com',
    'login.yahoo.com', 'okta.com', 'auth0.com', 'onelogin.com', 'duosecurity.com', 'id.atlassian.com', 'signin.aws.amazon.com',
    'login.salesforce.com', 'passport.yandex.com',
  ],
  passwords: [
    '1password.com', '1password.eu', 'bitwarden.com', 'bitwarden.eu', 'lastpass.com', 'dashlane.com', 'keepersecurity.com',
    'nordpass.com', 'pass.proton.me', 'passwords.google.com',
  ],
  government: [
    'hometax.go.kr', 'gov.kr', 'wetax.go.kr', 'efamily.scourt.go.kr', 'login.gov', 'irs.gov', 'ssa.gov', 'id.me',
    'tax.service.gov.uk', 'elster.de', 'impots.gouv.fr',
  ],
  messages: [
    'web.whatsapp.com', 'web.telegram.org', 'messages.google.com', 'messenger.com', 'discord.com', 'app.slack.com',
    'teams.microsoft.com', 'teams.live.com', 'web.wechat.com', 'line.me', 'meet.google.com', 'zoom.us', 'chat.google.com',
  ],
  adult: ['pornhub.com', 'xvideos.com', 'xnxx.com', 'xhamster.com', 'onlyfans.com', 'redtube.com', 'youporn.com'],
};

/** Labels of a host name that give its purpose away: `ebanking.example.com`, `webmail.example.org`. */
export const SENSITIVE_LABELS: Readonly<Partial<Record<SiteKind, RegExp>>> = {
  banking: /^(e?-?banking|onlinebanking|ibank|ebank|netbank|mybank|bank|billing|checkout|payments?|pay)$/,
  health: /^(mychart|patientportal|patients?|myhealth|ehealth|telehealth|clinic)$/,
  mail: /^(web)?mail\d*$|^(owa|roundcube|imap|inbox)$/,
  login: /^(login|signin|logon|auth|sso|accounts?|idp|oauth2?|passport|secure-?login)$/,
  passwords: /^(vault|passwords?)$/,
};

/** Paths of login, password and payment pages on any site. Whole segments, so that `/blog/login-design` stays. */
export const SENSITIVE_PATH =
  /(^|\/)(log-?in|sign-?in|log-?on|sign-?up|register|password(-?reset)?|reset-?password|forgot-?password|change-?password|two-?factor|2fa|mfa|otp|oauth2?|authorize|sso|saml|checkout|payment|billing)(\.\w{2,5})?(\/|$)/i;
