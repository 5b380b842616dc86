import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ShivError, type Fault } from '../core/errors.ts'
import type { Plan, SecretKey } from '../plan/types.ts'
import { parseDotenv } from './dotenv.ts'

/**
 * Values of the developer's own secrets that a Plan wants, by variable: from `environment`, else from `.env.local` in the wanting service's
 * folder, else in the workspace's. Throws SECRET_MISSING (exit 2) that names every one that is nowhere, who wants it, and how to give it.
 */
export async function resolveSecrets(plan: Plan, environment: NodeJS.ProcessEnv): Promise<Map<string, string>> {
  const { values, missing } = await findSecrets(plan, environment)
  if (missing.length > 0) throw await missingSecrets(missing, plan)
  return values
}

/** As `resolveSecrets`, and what has no value is only named. Throws SECRET_FILE_UNREADABLE. */
export async function findSecrets(
  plan: Plan,
  environment: NodeJS.ProcessEnv,
): Promise<{ values: Map<string, string>; missing: SecretKey[] }> {
  const values = new Map<string, string>()
  const missing: SecretKey[] = []
  for (const key of plan.secrets.filter(({ source }) => source.kind === 'external').flatMap(({ keys }) => keys)) {
    const value = environment[key.variable] || (await fromFiles(key, plan))
    if (value) values.set(key.variable, value)
    else missing.push(key)
  }
  return { values, missing }
}

async function fromFiles(key: SecretKey, plan: Plan): Promise<string | undefined> {
  const services = plan.services.filter((service) => key.wantedBy.some((want) => want.startsWith(`${service.name}.`)))
  for (const folder of [...services.map((service) => service.root), plan.workspace.root]) {
    const value = (await readDotenv(join(folder, '.env.local')))[key.variable]
    if (value) return value
  }
  return undefined
}

/** What stands in a `.env.local`, nothing where there is none. Throws SECRET_FILE_UNREADABLE. */
export async function readDotenv(path: string): Promise<Record<string, string>> {
  try {
    return parseDotenv(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new ShivError(`${path} cannot be read: ${(error as Error).message}`, {
      code: 'SECRET_FILE_UNREADABLE',
      exit: 2,
      cause: error,
    })
  }
}

async function missingSecrets(keys: SecretKey[], plan: Plan): Promise<ShivError> {
  const names = keys.map((key) => key.variable)
  const file = join(plan.workspace.root, '.env.local')
  return new ShivError(`${names.join(', ')} ${names.length === 1 ? 'has' : 'have'} no value on this machine.`, {
    code: 'SECRET_MISSING',
    exit: 2,
    hint: `for this shell: export ${names[0]}=… · for good: echo '${names[0]}=…' >> ${file} (keep it out of git) · or write a value for it under environments.local.env in service.yaml`,
    faults: await Promise.all(keys.map((key) => faultOf(key))),
  })
}

async function faultOf(key: SecretKey): Promise<Fault> {
  const { file, line, column } = key.position ?? {}
  const snippet = await lineOf(file, line)
  return {
    code: 'SECRET_MISSING',
    message: `${key.variable} is wanted by ${key.wantedBy.join(', ')}`,
    file,
    line,
    column,
    ...(snippet !== undefined && { snippet, length: key.variable.length }),
    ...(key.prompt !== undefined && { ask: { variable: key.variable, prompt: key.prompt } }),
  }
}

async function lineOf(file: string | undefined, line: number | undefined): Promise<string | undefined> {
  if (file === undefined || line === undefined) return undefined
  const text = await readFile(file, 'utf8').catch(() => '') // it went since it was read: the place is told without its text
  return text.split(/\r?\n/)[line - 1]
}
