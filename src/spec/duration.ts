const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

export const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/

/** Milliseconds of `500ms`, `2s`, `1.5m`, `1h`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? []
  return amount === undefined || unit === undefined ? undefined : Math.round(Number(amount) * UNITS[unit]!)
}
