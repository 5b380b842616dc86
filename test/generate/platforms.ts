import type { WorkflowTemplate } from '@actions/workflow-parser'
import type { TemplateToken } from '@actions/workflow-parser/templates/tokens/template-token'
import { Evaluator, Lexer, Parser, data } from '@actions/expressions'
import { Ajv, type ValidateFunction } from 'ajv'
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildSync } from 'esbuild'
import { parse } from 'yaml'

const exec = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const gitlabCiLocal = join(root, 'node_modules/gitlab-ci-local/src')

/** The parser imports JSON as bundlers do, which Node does not: so it is bundled. */
function loadParser(): typeof import('@actions/workflow-parser') {
  const outfile = join(root, 'node_modules/.cache', `workflow-parser-${process.pid}.cjs`)
  const stdin = { contents: "export * from '@actions/workflow-parser'", resolveDir: root }
  buildSync({ stdin, outfile, bundle: true, format: 'cjs', platform: 'node' })
  try {
    return createRequire(import.meta.url)(outfile) as typeof import('@actions/workflow-parser')
  } finally {
    rmSync(outfile)
  }
}

const { convertWorkflowTemplate, isBasicExpression, isMapping, isSequence, isString, NoOperationTraceWriter, parseWorkflow } =
  loadParser()

/** Reads a workflow with the parser that GitHub publishes: what it finds wrong, and the workflow with every expression that needs no context evaluated. */
export async function readWorkflow(
  content: string,
): Promise<{ errors: string[]; jobs: WorkflowTemplate['jobs']; plain: PlainWorkflow }> {
  const { context, value } = parseWorkflow({ name: 'shiv.yml', content }, new NoOperationTraceWriter())
  const template = value && (await convertWorkflowTemplate(context, value))
  const errors = context.errors.getErrors().map(({ message }) => message)
  return { errors, jobs: template?.jobs ?? [], plain: (value ? plainOf(value) : {}) as PlainWorkflow }
}

export interface PlainWorkflow {
  name: string
  on: Record<string, { branches?: string[]; paths?: string[] } | string>
  jobs: Record<string, PlainJob>
}

export interface PlainJob {
  name: string
  if?: string
  needs?: string
  env?: Record<string, string>
  environment?: { name: string }
  permissions?: Record<string, string>
  steps: { name: string; run?: string; uses?: string; env?: Record<string, string>; with?: Record<string, string> }[]
}

/** A token of GitHub's as plain data. Where to find an expression was GitHub's parser to decide; one that needs a context stays as it is written. */
function plainOf(token: TemplateToken): unknown {
  if (isMapping(token)) return Object.fromEntries([...token].map(({ key, value }) => [String(plainOf(key)), plainOf(value)]))
  if (isSequence(token)) return [...token].map(plainOf)
  if (!isBasicExpression(token)) return isString(token) ? token.value : token.toString()
  try {
    return evaluate(token.expression, {})
  } catch {
    return `\${{ ${token.expression} }}`
  }
}

/** What an expression gives, as text. Throws where it names a context that is not given. */
export function evaluate(expression: string, contexts: Record<string, unknown>): string {
  const { tokens } = new Lexer(expression).lex()
  const tree = new Parser(tokens, Object.keys(contexts), []).parse()
  return new Evaluator(tree, dataOf(contexts) as data.Dictionary).evaluate().coerceString()
}

function dataOf(value: unknown): data.ExpressionData {
  if (typeof value === 'string') return new data.StringData(value)
  if (typeof value === 'boolean') return new data.BooleanData(value)
  if (typeof value !== 'object' || value === null) return new data.Null()
  return new data.Dictionary(...Object.entries(value).map(([key, inner]) => ({ key, value: dataOf(inner) })))
}

/** A pipeline as gitlab-ci-local reads it: jobs expanded, with the rules of one event decided. */
export interface ListedJob {
  name: string
  stage: string
  when: string
  allow_failure: boolean
  needs?: { job: string }[]
}

/**
 * Reads `.gitlab-ci.yml` of a repository with gitlab-ci-local, another implementation of GitLab's language, which also holds it against GitLab's own schema.
 * Throws with what it says.
 */
export async function readPipeline(folder: string, variables: Record<string, string>): Promise<ListedJob[]> {
  const given = Object.entries(variables).flatMap(([name, value]) => ['--variable', `${name}=${value}`])
  const ignored = Object.keys(variables).flatMap((name) => ['--ignore-predefined-vars', name])
  const words = [join(gitlabCiLocal, 'index.js'), '--list-json', ...given, ...ignored]
  const { stdout } = await exec(process.execPath, words, { cwd: folder, env: { ...process.env, NO_COLOR: '1' }, timeout: 60_000 })
  return JSON.parse(stdout) as ListedJob[]
}

let schema: ValidateFunction | undefined

/** What GitLab's schema of `.gitlab-ci.yml` says against a text: the one of its own editor, as gitlab-ci-local carries it. */
export async function gitlabFaults(text: string): Promise<string[]> {
  schema ??= await loadSchema()
  schema(parse(text))
  return (schema.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

async function loadSchema(): Promise<ValidateFunction> {
  const own = (await import(join(gitlabCiLocal, 'schema/index.js'))) as { default: object }
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, keywords: ['markdownDescription'] })
  return ajv.compile(own.default)
}

export const gitlabCiLocalVersion = (
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve('gitlab-ci-local/package.json'), 'utf8')) as { version: string }
).version

/** What a shell says against a script, reading it without running it; empty where it is one. */
export async function shellFaults(shell: 'bash' | 'dash', script: string): Promise<string> {
  const checked = exec(shell, ['-n', '-c', script])
  return checked.then(
    () => '',
    (error: { stderr?: string; message: string }) => error.stderr || error.message,
  )
}
