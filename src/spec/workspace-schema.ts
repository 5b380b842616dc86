import * as z from 'zod'
import { auth } from './dependency-schema.ts'
import { DURATION, parseDuration } from './duration.ts'
import { across, closed, count, label, pattern, rule, text } from './rules.ts'

const duration = rule(z.string(), (value) => parseDuration(value) !== undefined, {
  code: 'SPEC_BAD_DURATION',
  message: (value) => `"${value}" is not a duration`,
  hint: 'write it like 500ms, 2s or 1m',
}).meta({ pattern: DURATION.source })

/** How a release replaces the one before. */
const rollout = closed({
  strategy: rule(z.string(), (value) => value === 'rolling', {
    code: 'SPEC_BAD_VALUE',
    message: (value) => `the strategy "${value}" is not known`,
    hint: 'rolling is the only one yet: pods are replaced one by one, and traffic goes to those that are ready',
  })
    .meta({ enum: ['rolling'] })
    .optional(),
  timeout: duration.describe('How long pods may take to be ready before the release is taken back; 10m').optional(),
  steady: duration.describe('How long health must hold without a miss before a release counts; 250ms').optional(),
})

const environment = across(
  closed({
    context: text.describe('Context of the kubeconfig').optional(),
    namespace: label.optional(),
    registry: text.optional(),
    domain: text.optional(),
    public_url: pattern(/^https?:\/\/[^\s@]+$/, {
      code: 'SPEC_BAD_VALUE',
      message: (value) => `"${value}" is not an address of a public route`,
      hint: 'write it like https://${service}.staging.example.com, without credentials',
    })
      .describe('Where a deployed service answers, with ${service} for its name; https://SERVICE.DOMAIN where there is a domain')
      .optional(),
    rollout: rollout.describe('How shiv deploy replaces what runs').optional(),
    databases: z
      .enum(['existing', 'cluster'])
      .describe('cluster: shiv deploy makes them in the namespace; existing: their Secrets must be there')
      .optional(),
    auth: auth.describe('For dependencies in it that say nothing themselves').optional(),
    production: z.boolean().describe('true for the environment production; no local run reaches it').optional(),
    allow_production: z
      .union([z.literal('read_only'), closed({ read_only: z.literal(true), why: text })])
      .describe('Dependencies may read there; needs the reason, which is printed at every start')
      .optional(),
    why: text.describe('The reason of allow_production: read_only').optional(),
  }),
  checkAllowProduction,
)

type Report = Parameters<Parameters<typeof across>[1]>[1]

function checkAllowProduction(environment: Record<string, unknown>, report: Report): void {
  const isWord = environment['allow_production'] === 'read_only'
  const hasReason = Object.hasOwn(environment, 'why')
  if (isWord && !hasReason) {
    const hint = 'add a line such as: why: reports need real amounts; it is printed at every start'
    report(['allow_production'], {
      code: 'SPEC_MISSING_FIELD',
      message: '"why" is missing: production is read for a reason',
      hint,
    })
  }
  if (hasReason && !isWord) {
    const message = '"why" goes only with allow_production: read_only'
    report(['why'], {
      code: 'SPEC_DEPENDENCY_FIELD',
      message,
      hint: 'remove it, or put it into allow_production: { read_only: true, why: … }',
    })
  }
}

/** shiv.yaml as written. */
export const workspaceSchema = closed({
  name: label.describe('RFC 1123 label'),
  services: z
    .array(text)
    .describe('Folders, or patterns with *; absent: every folder up to depth 3 with a service.yaml')
    .optional(),
  platform: text.describe('A platform preset').optional(),
  environments: z.record(label, environment).optional(),
  cluster: closed({
    name: label.optional(),
    kubernetes: z
      .union([z.string().regex(/^1\.\d{1,2}$/), z.number()])
      .describe('Minor version, for example "1.34"')
      .optional(),
    workers: count(0, 20).optional(),
  }).optional(),
})

export type EnvironmentEntry = z.infer<typeof environment>
export type WorkspaceFile = z.infer<typeof workspaceSchema>
