import { parseQuantity } from './quantity.ts'

type Report = (path: (string | number)[], fault: { code: string; message: string; hint: string }) => void
type Fields = Record<string, unknown>

/** Exactly one source an env entry; `key` goes only with `secret`. */
export function checkEnvEntry(entry: Fields, report: Report): void {
  const sources = ['value', 'secret', 'from', 'prompt'].filter((name) => Object.hasOwn(entry, name))
  if (sources.length === 0) {
    report([], {
      code: 'SPEC_NO_SOURCE',
      message: 'this entry has no source',
      hint: 'give it one of value, secret, from, prompt',
    })
  }
  if (sources.length > 1) {
    const message = `this entry has ${sources.length} sources: ${sources.join(', ')}`
    report([sources[1]!], { code: 'SPEC_TWO_SOURCES', message, hint: 'keep exactly one' })
  }
  if (Object.hasOwn(entry, 'key') && sources.length > 0 && !sources.includes('secret')) {
    report(['key'], {
      code: 'SPEC_KEY_WITHOUT_SECRET',
      message: '"key" goes only with "secret"',
      hint: 'remove it, or name the secret',
    })
  }
}

export function checkMinMax({ min_replicas: min, max_replicas: max }: Fields, report: Report): void {
  if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return
  const message = `min_replicas ${min} is more than max_replicas ${max}`
  report(['min_replicas'], { code: 'SPEC_MIN_MAX', message, hint: `raise max_replicas to ${min}, or lower min_replicas` })
}

export function checkResources(resources: Fields, report: Report): void {
  for (const name of ['cpu', 'memory']) {
    const request = resources[name]
    const limit = resources[`${name}_limit`]
    const over = (parseQuantity(String(request)) ?? 0) > (parseQuantity(String(limit)) ?? Number.POSITIVE_INFINITY)
    if (!over) continue
    const message = `${name} ${request} is more than ${name}_limit ${limit}`
    report([name], { code: 'SPEC_MIN_MAX', message, hint: `raise ${name}_limit, or lower ${name}` })
  }
}

export function checkPatch(patch: Fields, report: Report): void {
  const needsValue = patch['op'] === 'add' || patch['op'] === 'replace'
  if (!needsValue || Object.hasOwn(patch, 'value')) return
  report([], {
    code: 'SPEC_MISSING_FIELD',
    message: `"value" is missing: op ${patch['op']} needs it`,
    hint: 'add a line such as: value: 60',
  })
}

/** Names (and port numbers) that occur twice in a list of maps. */
export function checkUniqueNames(list: string): (items: Fields, report: Report) => void {
  return (items, report) => {
    for (const field of ['name', 'port', 'path']) {
      const seen = new Set<unknown>()
      for (const [index, item] of Object.values(items).entries()) {
        const value = (item as Fields | null)?.[field]
        if (value === undefined) continue
        if (seen.has(value)) {
          const code = field === 'port' ? 'SPEC_DUPLICATE_PORT' : 'SPEC_DUPLICATE_NAME'
          report([index, field], {
            code,
            message: `two ${list} have the ${field} ${String(value)}`,
            hint: `give each its own ${field}`,
          })
        }
        seen.add(value)
      }
    }
  }
}

/** A CronJob's name may have at most 52 characters, since its Jobs add a suffix. */
export function checkCronNames(items: Fields, report: Report): void {
  checkUniqueNames('cron jobs')(items, report)
  for (const [index, item] of Object.values(items).entries()) {
    const name = (item as Fields | null)?.['name']
    if (typeof name !== 'string' || name.length <= 52) continue
    report([index, 'name'], {
      code: 'SPEC_BAD_NAME',
      message: 'the name of a cron job has at most 52 characters',
      hint: 'shorten it',
    })
  }
}

/** `image` stands alone; `target` and `args` are a Dockerfile's. */
export function checkBuild(build: Fields, report: Report): void {
  const others = ['dockerfile', 'context', 'target', 'args'].filter((name) => Object.hasOwn(build, name))
  if (Object.hasOwn(build, 'image') && others.length > 0) {
    const message = `"image" is a ready image, so "${others[0]}" has no meaning`
    report([others[0]!], { code: 'SPEC_TWO_BUILDS', message, hint: 'keep either image, or dockerfile and context' })
    return
  }
  const lonely = ['target', 'args'].find((name) => Object.hasOwn(build, name) && !Object.hasOwn(build, 'dockerfile'))
  if (lonely === undefined) return
  report([lonely], {
    code: 'SPEC_TWO_BUILDS',
    message: `"${lonely}" needs a Dockerfile of your own`,
    hint: 'add dockerfile: Dockerfile',
  })
}

/** Fields of a whole service that exclude each other. */
export function checkService(service: Fields, report: Report): void {
  if (!Object.hasOwn(service, 'port') || !Object.hasOwn(service, 'ports')) return
  const message = '"port" is the shorthand of "ports"; both are here'
  report(['port'], { code: 'SPEC_TWO_PORTS', message, hint: 'keep one of them' })
}

/** A databases entry is one type and its name. */
export function checkDatabaseEntry(entry: Fields, report: Report): void {
  const types = Object.keys(entry)
  if (types.length === 1) return
  const message =
    types.length === 0 ? 'this entry names no database' : `this entry names ${types.length} databases: ${types.join(', ')}`
  report(types.length === 0 ? [] : [types[1]!], {
    code: 'SPEC_BAD_DATABASE',
    message,
    hint: 'write one a line: - postgres: user-db',
  })
}
