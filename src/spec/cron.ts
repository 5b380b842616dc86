const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const FIELDS: { name: string; min: number; max: number; names?: string[] }[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: DAYS },
]
const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']

/** What is wrong with a cron schedule of five fields (or a macro such as `@daily`), or undefined when it is right. */
export function cronProblem(schedule: string): string | undefined {
  if (schedule.startsWith('@')) return MACROS.includes(schedule) ? undefined : `"${schedule}" is not one of ${MACROS.join(' ')}`
  const parts = schedule.trim().split(/\s+/)
  if (parts.length !== FIELDS.length) return `it has ${parts.length} fields, not 5`
  for (const [index, field] of FIELDS.entries()) {
    const isRight = parts[index]!.split(',').every((item) => isItem(item, field))
    if (!isRight) return `the ${field.name} "${parts[index]}" is not within ${field.min}-${field.max}`
  }
  return undefined
}

function isItem(item: string, field: (typeof FIELDS)[number]): boolean {
  const [range, step, ...more] = item.split('/')
  if (more.length > 0 || (step !== undefined && !/^[1-9]\d?$/.test(step))) return false
  if (range === '*') return true
  const [from, to, ...rest] = range!.split('-').map((text) => valueOf(text, field))
  if (rest.length > 0 || from === undefined || Number.isNaN(from)) return false
  return to === undefined || (!Number.isNaN(to) && from <= to)
}

function valueOf(text: string, { min, max, names }: (typeof FIELDS)[number]): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1
  if (named >= 0) return named + min
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : Number.NaN
}
