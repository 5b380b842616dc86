/** Names whose values are secret, compared without case, `-`, `_`, `.` and blanks. */
const WHOLE = new Set([
  'auth',
  'authtoken',
  'bearer',
  'cardnumber',
  'ccnumber',
  'clientassertion',
  'codeverifier',
  'connectionstring',
  'cookie',
  'creditcard',
  'creditcardnumber',
  'cvc',
  'cvv',
  'jwt',
  'mfacode',
  'otp',
  'pan',
  'passcode',
  'pin',
  'salt',
  'samlresponse',
  'sessionid',
  'setcookie',
  'sid',
  'sig',
  'ssn',
  'totp',
])

/** An end that makes any name secret: `db_password`, `X-Api-Key`, `clientSecret`, and what was made of one: `password_hash`. */
const END =
  /(password|passwd|pwd|passphrase|secret|token|apikey|privatekey|accesskey|secretkey|secretaccesskey|signingkey|encryptionkey|sharedkey|subscriptionkey|credential|credentials|sessionkey|accesskeyid|xsrf|csrf|authorization|signature|signature256|recoverycodes?|backupcodes?)(hash|digest|salt|codes?)?$/

/** Tokens that point into a list: two of them are not the same request. */
const NOT_SECRET = /(page|next|previous|prev|continuation|continue|cursor|sync|resume|delta|change|iteration|nextpage)token$/

/** Secret in a query when the value looks made by a machine, a plain word otherwise: `?key=AbC…9` and `?key=name`. */
const IN_QUERY = new Set(['key', 'code', 'state', 'nonce', 'session', 'hmac', 'ticket'])
const MADE_BY_A_MACHINE = /^(?=.*[0-9])(?=.*[A-Za-z])[\w.~+/=-]{16,}$/

/** Whether a text looks made by a machine: an id, a hash, a token. */
export function isMachineMade(text: string): boolean {
  return MADE_BY_A_MACHINE.test(text)
}

/** Whether a field, parameter, header, column or element of this name holds a secret. */
export function isSecretName(name: string): boolean {
  if (name.length > 100) return false
  const answer = answers.get(name)
  if (answer !== undefined) return answer
  const plain = plainName(name)
  const isSecret = !NOT_SECRET.test(plain) && (WHOLE.has(plain) || END.test(plain))
  if (answers.size >= MOST_REMEMBERED) answers.clear()
  answers.set(name, isSecret)
  return isSecret
}

/** Names come again and again. */
const answers = new Map<string, boolean>()
const MOST_REMEMBERED = 10_000

/** The same for a parameter of a query with its value. */
export function isSecretParameter(name: string, value: string): boolean {
  return isSecretName(name) || (IN_QUERY.has(plainName(name)) && MADE_BY_A_MACHINE.test(value))
}

/** Without what distinguishes ways of writing: `X-Api-Key`, `api_key[]` and `apiKey` end alike. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}
