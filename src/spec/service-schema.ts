import * as z from 'zod'
import {
  checkBuild,
  checkCronNames,
  checkDatabaseEntry,
  checkEnvEntry,
  checkMinMax,
  checkPatch,
  checkResources,
  checkService,
  checkUniqueNames,
} from './field-checks.ts'
import { dependency } from './dependency-schema.ts'
import { reload } from './reload-schema.ts'
import {
  across,
  closed,
  command,
  count,
  envName,
  label,
  mountPath,
  percent,
  pointer,
  port,
  quantity,
  scalar,
  schedule,
  secretKey,
  text,
  urlPath,
} from './rules.ts'

const envSource = across(
  closed({
    value: scalar
      .describe('The value; may hold ${databases.NAME.FIELD}, ${services.NAME.FIELD} and ${dependencies.NAME.FIELD}')
      .optional(),
    secret: label.describe('A secret by name; its value is never written here').optional(),
    key: secretKey.describe('Key in the secret; the name in lower-kebab by default').optional(),
    from: text.describe('database.NAME.url, service.NAME.url|host|port or dependency.NAME.url').optional(),
    prompt: text.describe('The question asked when the value is missing and there is a terminal').optional(),
  }),
  checkEnvEntry,
).meta({ oneOf: ['value', 'secret', 'from', 'prompt'].map((name) => ({ required: [name] })) })

const health = closed({
  path: urlPath.optional(),
  readiness_path: urlPath.optional(),
  port: z.union([label, port]).describe('Name or number of one of the ports').optional(),
  period_seconds: count(1, 3600).optional(),
  timeout_seconds: count(1, 3600).optional(),
  failure_threshold: count(1, 1000).optional(),
  startup_seconds: count(1, 86_400).optional(),
})

const scaling = across(
  closed({ min_replicas: count(1, 1000).optional(), max_replicas: count(1, 1000).optional(), cpu_target: percent.optional() }),
  checkMinMax,
)

const resources = across(
  closed({
    cpu: quantity.optional(),
    memory: quantity.optional(),
    cpu_limit: quantity.optional(),
    memory_limit: quantity.optional(),
  }),
  checkResources,
)

const database = closed({ name: label, version: z.union([text, z.number()]).optional(), storage: quantity.optional() })

const build = across(
  closed({
    dockerfile: text.describe("Relative to this file's folder").optional(),
    context: text.describe("Relative to this file's folder").optional(),
    target: text.optional(),
    args: z.record(envName, scalar).optional(),
    image: text.describe('A ready image; then nothing is built').optional(),
  }),
  checkBuild,
)

const patch = across(
  closed({
    target: closed({ kind: text, name: text.optional() }),
    op: z.enum(['add', 'replace', 'remove']),
    path: pointer,
    value: z.unknown().optional(),
    why: text.describe('Printed wherever the patch applies'),
  }),
  checkPatch,
)

const fields = {
  port: port.describe('Shorthand for one http port named http').optional(),
  ports: across(
    z.array(closed({ name: label, port, protocol: z.enum(['http', 'grpc', 'tcp']).optional() })),
    checkUniqueNames('ports'),
  ).optional(),
  command: command.describe('Replaces what the language preset runs').optional(),
  build: build.optional(),
  health: z.union([urlPath, health]).optional(),
  env: z.record(envName, z.union([scalar, envSource])).optional(),
  resources: resources.optional(),
  scaling: scaling.optional(),
  databases: z
    .array(
      across(z.record(z.string(), z.union([label, database])), checkDatabaseEntry).meta({ minProperties: 1, maxProperties: 1 }),
    )
    .optional(),
  observability: closed({
    logging: z.enum(['structured', 'plain']).optional(),
    metrics: z.union([z.literal('prometheus'), closed({ port: port.optional(), path: urlPath.optional() })]).optional(),
    alerts: z.union([text, z.array(text)]).optional(),
  }).optional(),
  volumes: across(z.array(closed({ name: label, path: mountPath, size: quantity })), checkUniqueNames('volumes')).optional(),
  workers: across(
    z.array(closed({ name: label, command, replicas: count(0, 1000).optional() })),
    checkUniqueNames('workers'),
  ).optional(),
  cron: across(z.array(closed({ name: label, schedule, command })), checkCronNames).optional(),
  migrate: command.describe('Runs to completion before traffic').optional(),
  dependencies: z
    .array(dependency)
    .describe('Services of the workspace that must run first, and what is outside of it')
    .optional(),
  reload: reload.describe('How a save becomes running code; off: not at all').optional(),
  patches: z.array(patch).optional(),
}

/** What an environment may override: every field but `name` and `language`. */
export const overrideSchema = across(closed(fields), checkService)

/** service.yaml as written. */
export const serviceSchema = across(
  closed({
    name: label.describe('RFC 1123 label, unique in the workspace'),
    language: text.describe('A language preset').optional(),
    ...fields,
    environments: z
      .record(label, overrideSchema)
      .describe('Overrides by environment: maps merge deeply, lists and env entries are replaced')
      .optional(),
  }),
  checkService,
)

export type ServiceFile = z.infer<typeof serviceSchema>
export type DatabaseEntry = string | z.infer<typeof database>
