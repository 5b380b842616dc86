import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pipelineFacts, type PipelineFacts } from '../../src/generate/ci/facts.ts'
import { githubWorkflow } from '../../src/generate/ci/github.ts'
import { gitlabPipeline } from '../../src/generate/ci/gitlab.ts'
import { settingsOf, type Platform } from '../../src/generate/ci/setup.ts'
import { authorshipOf, stamp } from '../../src/generate/stamp.ts'
import { loadWorkspace } from '../../src/spec/load.ts'
import { load } from '../spec/support.ts'
import { bare, hostile, hostileFacts, onlyProduction, whole } from './samples.ts'

const root = join(import.meta.dirname, '../..')
const SERVICE = { 'orders/service.yaml': 'name: orders\nlanguage: node\n' }

async function factsOf(environments: string) {
  const model = await load({ 'shiv.yaml': `name: shop\n${environments}`, ...SERVICE })
  return pipelineFacts(model, { repository: model.workspace.root, branch: 'main' })
}

describe('what a pipeline is made from', () => {
  it('the first environment before production, and the first that is production, each with a context and a registry', async () => {
    const facts = await factsOf(`environments:
  dev: { context: dev }
  preview: { context: eu, registry: registry.example.com/a }
  qa: { context: eu, registry: registry.example.com/b }
  live: { context: live, registry: registry.example.com/c, production: true }
  archive: { registry: registry.example.com/d }
`)
    expect(facts).toMatchObject({
      staging: { name: 'preview', registry: 'registry.example.com/a' },
      production: { name: 'live', registry: 'registry.example.com/c' },
      left: [
        { environment: 'dev', why: 'it names no registry' },
        { environment: 'qa', why: 'one environment before production is deployed to, the first of shiv.yaml' },
        { environment: 'archive', why: 'it names no context' },
      ],
    })
  })

  it('staging is not production, also where production is written first', async () => {
    const facts = await factsOf(`environments:
  production: { context: live, registry: registry.example.com/a }
  staging: { context: eu, registry: registry.example.com/b }
`)
    expect([facts.staging?.name, facts.production?.name]).toEqual(['staging', 'production'])
  })

  it('nothing is said of a production that nobody wrote down; of one that cannot be deployed to, why', async () => {
    expect((await factsOf('')).left).toEqual([])
    expect((await factsOf('environments: { production: { domain: example.com } }\n')).left).toEqual([
      { environment: 'production', why: 'it names no context' },
    ])
  })

  it('the folder of the workspace below the repository, and the tools of its languages', async () => {
    const model = await load({
      'shiv.yaml': 'name: shop\n',
      ...SERVICE,
      'report/service.yaml': 'name: report\nlanguage: python\n',
    })
    const facts = pipelineFacts(model, { repository: dirname(model.workspace.root), branch: 'main' })
    expect(facts.folder).toBe(model.workspace.root.slice(dirname(model.workspace.root).length + 1))
    expect(facts.tools).toEqual(['node', 'python3'])
    expect(pipelineFacts(model, { repository: model.workspace.root, branch: 'main' }).folder).toBe('')
  })

  it('of the examples of this repository', async () => {
    const model = await loadWorkspace(join(root, 'examples'), { environment: 'local' })
    const facts = pipelineFacts(model, { repository: root, branch: 'main' })
    await expect(githubWorkflow(facts)).toMatchFileSnapshot('../golden/generate/github-examples.yml')
    await expect(gitlabPipeline(facts, { isPart: true })).toMatchFileSnapshot('../golden/generate/gitlab-examples.yml')
  })
})

describe('whose a file is', () => {
  const text = stamp('shiv generate ci github', 'name: shop\n')
  it.each([
    ['as it was made', text, 'made'],
    ['with the line ends of Windows', text.replaceAll('\n', '\r\n'), 'made'],
    ['with a character more', `${text} `, 'changed'],
    ['with another first line of ours', text.replace(/[0-9a-f]{64}/, '0'.repeat(64)), 'changed'],
    ['without the first line', 'name: shop\n', 'foreign'],
    ['with the line further down', `# ours\n${text}`, 'foreign'],
    ['empty', '', 'foreign'],
  ])('%s', (_, found, authorship) => expect(authorshipOf(found)).toBe(authorship))
})

describe('what has to be set up', () => {
  it('on GitHub every environment that is deployed to is for the default branch only', () => {
    const of = (facts: PipelineFacts, platform: Platform) =>
      settingsOf(facts, platform).filter(({ name }) => name === 'deployment branches')
    const expected = { kind: 'environment', isNeeded: true, about: expect.stringContaining('the default branch only') as string }
    expect(of(whole, 'github')).toMatchObject([
      { ...expected, environment: 'staging' },
      { ...expected, environment: 'production' },
    ])
    expect(of(onlyProduction, 'github')).toMatchObject([{ ...expected, environment: 'production' }])
    expect([...of(bare, 'github'), ...of(whole, 'gitlab')]).toEqual([])
  })

  it.each(['github', 'gitlab'] as const)('on %s the registry of npm, which only a name needs', (platform) => {
    const setting = settingsOf(bare, platform).find(({ name }) => name === 'SHIV_NPM_REGISTRY')
    expect(setting).toMatchObject({ kind: 'variable', isNeeded: false })
    expect(setting!.about).toContain('needed where SHIV_PACKAGE is NAME@VERSION')
  })

  it.each(hostile)('the lines are safe to paste where the environment is named %j', (text) => {
    for (const platform of ['github', 'gitlab'] as const) {
      const lines = settingsOf(hostileFacts(text), platform).filter(
        ({ environment, kind }) => environment === text && kind === 'secret',
      )
      expect(lines).toHaveLength(3)
      const word = /^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
      for (const { how } of lines) expect(how).toContain(` ${platform === 'github' ? '--env' : '--scope'} ${word}`)
    }
  })
})
