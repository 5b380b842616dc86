import { Ajv } from 'ajv'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { jsonSchemas } from '../../src/spec/json-schema.ts'
import { CASES } from './fault-cases.ts'

const published = (name: string) => JSON.parse(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')) as object

it.each(Object.keys(jsonSchemas()))('%s is published as the zod schema says (node docs/build-schemas.mjs)', (name) => {
  expect(published(name)).toEqual(jsonSchemas()[name])
  expect(published(name)).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#' })
})

it('accepts the first example and refuses what an editor can know', () => {
  const validate = new Ajv({ strictTypes: false }).compile(published('service.schema.json'))
  const example = readFileSync(new URL('../../examples/user-service/service.yaml', import.meta.url), 'utf8')
  expect(validate(parse(example)), JSON.stringify(validate.errors)).toBe(true)
  const titles = [
    'unknown field',
    'wrong type',
    'bad percent',
    'percent as a number',
    'not an RFC 1123 name',
    'port 0',
    'port as text',
    'patch without why',
    'norway',
    'no name',
    'two sources',
    'no source',
    'bad env name',
    'bad quantity',
  ]
  for (const title of titles) {
    const { files } = CASES.find((one) => one.title === title)!
    const yaml = typeof files === 'string' ? files : String(files['service.yaml'])
    expect(validate(parse(yaml)), title).toBe(false)
  }
})
