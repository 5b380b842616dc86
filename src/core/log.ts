/** A line of the daemon's own log: JSON, one object a line. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
}

/** Writes through `write`; what may hold a secret passes `redact` first. */
export function createLog(write: (line: string) => void, redact: (text: string) => string = (text) => text): Log {
  const line = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    write(`${redact(JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }))}\n`)
  return { info: line('info'), warn: line('warn'), error: line('error') }
}
