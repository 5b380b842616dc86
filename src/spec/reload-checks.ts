type Report = (path: (string | number)[], fault: { code: string; message: string; hint: string }) => void
type Fields = Record<string, unknown>

/** Those that servers take as "read your code again"; the ones that end a process are what `restart: process` is for. */
export const SIGNALS = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT']

/** Globs that match every path. */
const CATCH_ALL = new Set(['**', '**/*'])

const FIELDS: Record<string, { needed: string[]; allowed: string[] }> = {
  ignore: { needed: [], allowed: [] },
  image: { needed: [], allowed: [] },
  sync: { needed: [], allowed: ['to', 'restart'] },
  build: { needed: ['run', 'sync'], allowed: ['run', 'env', 'image', 'sync', 'to', 'restart'] },
  install: { needed: ['run'], allowed: ['run', 'env', 'image', 'makes', 'reads', 'to', 'restart'] },
}

const EXAMPLES: Record<string, string> = {
  run: 'run: [npm, run, build]',
  sync: 'sync: { from: dist, to: /app/dist }',
  to: 'to: /app',
  image: 'image: node:20-slim',
  makes: 'makes: node_modules',
}

/** Fields that have no meaning without each other. */
const OF_INSTALL: Record<string, string[]> = {
  image: ['makes'],
  makes: ['image'],
  reads: ['image', 'makes'],
  env: ['image', 'makes'],
}

/** A rule has what its `do` needs and nothing else. A preset knows where its own image holds the code, so it says so each time. */
export function checkRule(owner: 'preset' | 'service'): (rule: Fields, report: Report) => void {
  return (rule, report) => {
    const kind = FIELDS[String(rule['do'])]
    if (kind === undefined) return
    const isPlaced = owner === 'preset' && (rule['do'] === 'sync' || rule['do'] === 'install')
    const missing = (field: string, needer: string) =>
      report([], {
        code: 'SPEC_MISSING_FIELD',
        message: `"${field}" is missing: ${needer} needs it`,
        hint: `add ${EXAMPLES[field]}`,
      })
    for (const field of isPlaced ? [...kind.needed, 'to'] : kind.needed)
      if (!Object.hasOwn(rule, field)) missing(field, `do: ${String(rule['do'])}`)
    if (rule['do'] === 'install') {
      const asked = Object.keys(OF_INSTALL).filter((field) => Object.hasOwn(rule, field))
      const lacking = new Set(asked.flatMap((field) => OF_INSTALL[field]!).filter((field) => !Object.hasOwn(rule, field)))
      for (const field of lacking) missing(field, `do: install in a container`)
    }
    for (const field of ['run', 'env', 'image', 'makes', 'reads', 'sync', 'to', 'restart']) {
      if (!Object.hasOwn(rule, field) || kind.allowed.includes(field)) continue
      const takers = Object.keys(FIELDS).filter((name) => FIELDS[name]!.allowed.includes(field))
      report([field], {
        code: 'SPEC_RULE_FIELD',
        message: `"${field}" has no meaning with do: ${String(rule['do'])}`,
        hint: `remove it, or write do: ${takers.join(' or ')}`,
      })
    }
  }
}

/** A rule that can never decide: everything that it matches is decided by one before it. */
export function checkRules(rules: Fields, report: Report): void {
  const decided = new Set<string>()
  for (const [index, rule] of Object.values(rules).entries()) {
    const { files, when } = (rule ?? {}) as Fields
    if (!Array.isArray(files) || files.length === 0) continue
    const isDecided = [...CATCH_ALL].some((glob) => decided.has(glob)) || files.every((glob) => decided.has(String(glob)))
    if (isDecided) {
      report([index, 'files'], {
        code: 'SPEC_UNREACHABLE_RULE',
        message: 'this rule never decides: a rule before it matches all of these files',
        hint: 'put it before that one, or remove it',
      })
    }
    // A rule that only some services have leaves its files to the rules behind it.
    if (when === undefined) for (const glob of files) decided.add(String(glob))
  }
}
