import * as z from 'zod'
import { closed, count, label, text } from './rules.ts'

const environment = closed({
  context: text.describe('Context of the kubeconfig').optional(),
  namespace: label.optional(),
  registry: text.optional(),
  domain: text.optional(),
})

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

export type WorkspaceFile = z.infer<typeof workspaceSchema>
