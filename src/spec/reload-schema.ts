import * as z from 'zod'
import { globProblem } from './globs.ts'
import { checkRule, checkRules, SIGNALS } from './reload-checks.ts'
import { across, closed, command, envName, mountPath, rule, scalar, text } from './rules.ts'

const glob = rule(z.string(), (value) => globProblem(value) === undefined, {
  code: 'SPEC_BAD_GLOB',
  message: (value) => `"${value}" ${globProblem(value)}`,
  hint: "write paths relative to this service's folder, for example src/** or *.html",
}).meta({ minLength: 1 })

const signal = rule(z.string(), (value) => SIGNALS.includes(value), {
  code: 'SPEC_BAD_SIGNAL',
  message: (value) => `"${value}" is not a signal that asks a process to read its code again`,
  hint: `write one of: ${SIGNALS.join(', ')}`,
}).meta({ enum: SIGNALS })

const restart = z
  .union([z.enum(['process', 'none']), closed({ signal })])
  .describe('process: end it and start it anew; none: it watches its own files; a signal: it reads its code again')

const moduleName = rule(z.string(), isModule, {
  code: 'SPEC_BAD_MODULE',
  message: (value) => `"${value}" is not the name of an installed module`,
  hint: 'write names as the code imports them, for example fastify, @fastify/cors or sqlalchemy.orm',
}).meta({ minLength: 1 })

const artefact = rule(z.string(), isArtefact, {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is neither in the service's folder nor in \${out}`,
  hint: 'write it like dist, or like ${out}/app',
}).meta({ minLength: 1 })

const made = rule(z.string(), (path) => !path.includes('${') && isArtefact(path), {
  code: 'SPEC_BAD_PATH',
  message: (value) => `"${value}" is not a folder in the service's folder`,
  hint: 'write it like node_modules, or like .venv',
}).meta({ minLength: 1 })

const ruleFields = {
  files: z.array(glob).min(1).describe("Globs of paths relative to this service's folder; the first rule that matches decides"),
  do: z.enum(['ignore', 'image', 'sync', 'build', 'install']),
  run: command.describe('build: on this machine; install: in the folder of the service, or in a container of image').optional(),
  env: z.record(envName, scalar).describe('Of run').optional(),
  image: text
    .describe('build: a container of this image runs it where this machine has no such program; install: it runs there, for pods')
    .optional(),
  makes: made.describe('install: the folder that run makes, which goes into the containers in the place of theirs').optional(),
  reads: z.array(glob).min(1).describe('install: what run reads beside the files of the rule').optional(),
  sync: closed({ from: artefact, to: mountPath }).describe('What run makes, and where it goes in the container').optional(),
  to: mountPath.describe("The folder of the container that stands for the service's folder").optional(),
  restart: restart.optional(),
  why: text.describe('Told by shiv why').optional(),
}

const policyFields = {
  restart: restart.optional(),
  spare: z
    .enum(['node', 'python', 'none'])
    .describe('A second process, started up to the service’s own code, waits for it; none takes back what the preset says')
    .optional(),
  preload: z
    .array(moduleName)
    .describe(
      'Installed modules that the spare loads before its turn; they must not mind to be loaded before the service’s own first line',
    )
    .optional(),
  overlap: z.boolean().describe('The old process serves until the new one is ready').optional(),
  browser: z.boolean().describe('Pages served through the front door reload by themselves').optional(),
  test: command.describe('Run beside every loop with shiv start --test').optional(),
}

const when = closed({ file: text, contains: text.optional() })

/** `reload:` of a preset, and of its variants. */
export const reloadDefaults = closed({
  ...policyFields,
  rules: across(z.array(across(closed({ ...ruleFields, when: when.optional() }), checkRule('preset'))), checkRules).optional(),
})

/** `reload:` of service.yaml. */
export const reload = z.union([
  z.literal(false),
  z.literal('off'),
  closed({
    ...policyFields,
    workdir: mountPath.describe('Where the image of your own Dockerfile holds the code').optional(),
    rules: across(z.array(across(closed(ruleFields), checkRule('service'))), checkRules).optional(),
  }),
])

export type WrittenReload = Exclude<z.infer<typeof reload>, false | 'off'>
export type WrittenDefaults = z.infer<typeof reloadDefaults>
export type WrittenRule = NonNullable<WrittenDefaults['rules']>[number]

/** A file of the service's own begins with a dot or a slash. */
function isModule(name: string): boolean {
  return /^@?[A-Za-z0-9_][\w.@/:~-]*$/.test(name) && !name.split('/').includes('..')
}

function isArtefact(path: string): boolean {
  const inside = path.startsWith('${out}/') ? path.slice('${out}/'.length) : path
  return inside !== '' && !inside.startsWith('/') && !inside.split('/').some((part) => part === '..' || part === '.')
}
