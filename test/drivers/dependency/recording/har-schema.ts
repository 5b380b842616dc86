/** HAR 1.2 as a JSON Schema, from the format's specification: what each object must have, and of which type what it may have is. */
const text = { type: 'string' }
const number = { type: 'number' }
const whole = { type: 'integer' }
const object = (required: Record<string, unknown>, optional: Record<string, unknown> = {}) => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional, comment: text },
  // HAR: names of its own a tool begins with "_".
  patternProperties: { '^_': {} },
  additionalProperties: false,
})
const list = (items: unknown) => ({ type: 'array', items })
const nameValue = object({ name: text, value: text })
const cookie = object(
  { name: text, value: text },
  { path: text, domain: text, expires: text, httpOnly: { type: 'boolean' }, secure: { type: 'boolean' } },
)
const head = { cookies: list(cookie), headers: list(nameValue), httpVersion: text, headersSize: whole, bodySize: whole }
const address = { type: 'string', pattern: '^[a-z]+://[^\\s"<>\\\\^`{|}]+$' }
const request = object(
  { ...head, method: text, url: address, queryString: list(nameValue) },
  { postData: object({ mimeType: text }, { text, params: list(object({ name: text })) }) },
)
const content = object({ size: whole, mimeType: text }, { compression: whole, text, encoding: text })
const response = object({ ...head, status: whole, statusText: text, content, redirectURL: text })
const entry = object(
  {
    startedDateTime: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d+(Z|[+-]\\d\\d:\\d\\d)$' },
    time: { type: 'number', minimum: 0 },
    request,
    response,
    cache: object({}, { beforeRequest: {}, afterRequest: {} }),
    timings: object(
      { send: number, wait: number, receive: number },
      { blocked: number, dns: number, connect: number, ssl: number },
    ),
  },
  { pageref: text, serverIPAddress: text, connection: text },
)

export const harSchema = object({
  log: object(
    { version: { const: '1.2' }, creator: object({ name: text, version: text }), entries: list(entry) },
    { browser: {}, pages: {} },
  ),
})
