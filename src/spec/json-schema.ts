import * as z from 'zod'
import { serviceSchema } from './service-schema.ts'
import { workspaceSchema } from './workspace-schema.ts'

/** The published JSON Schemas (draft-07) by file name in `docs/`, for editors; what spans several fields is checked by shiv alone. */
export function jsonSchemas(): Record<string, object> {
  return {
    'service.schema.json': jsonSchema(serviceSchema, 'service.yaml of shiv'),
    'shiv.schema.json': jsonSchema(workspaceSchema, 'shiv.yaml of shiv'),
  }
}

function jsonSchema(schema: z.ZodType, title: string): object {
  return { ...z.toJSONSchema(schema, { target: 'draft-7', io: 'input' }), title }
}
