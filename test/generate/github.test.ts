import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { githubWorkflow } from '../../src/generate/ci/github.ts'
import { evaluate, readWorkflow, shellFaults, type PlainJob } from './platforms.ts'
import { hostile, hostileFacts, samples, whole } from './samples.ts'

const cases = Object.entries(samples)
const runsOf = (jobs: Record<string, PlainJob>) =>
  Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []))

describe.each(cases)('the workflow of %s', (name, facts) => {
  const text = githubWorkflow(facts)

  it('is the golden file', async () => {
    await expect(text).toMatchFileSnapshot(`../golden/generate/github-${name}.yml`)
  })

  it('has no error for the parser that GitHub publishes', async () => {
    const { errors, jobs } = await readWorkflow(text)
    expect(errors).toEqual([])
    const expected = ['check', ...(facts.staging ? ['deploy'] : []), ...(facts.production ? ['release'] : [])]
    expect(jobs.map(({ id }) => id.toString())).toEqual(expected)
  })

  it('has scripts that bash can read', async () => {
    const { plain } = await readWorkflow(text)
    const runs = runsOf(plain.jobs)
    expect(runs.length).toBeGreaterThan(4)
    for (const run of runs) expect(await shellFaults('bash', run), run).toBe('')
  })

  it('has no expression in a script, no secret outside of an environment variable of one step, and no action but those of GitHub', () => {
    const { jobs } = parse(text) as { jobs: Record<string, PlainJob> }
    for (const run of runsOf(jobs)) expect(run).not.toContain('${{')
    for (const { env, steps } of Object.values(jobs)) {
      expect(JSON.stringify(env ?? {})).not.toContain('secrets.')
      for (const { env: _, ...step } of steps) expect(JSON.stringify(step)).not.toContain('secrets.')
    }
    const uses = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ uses }) => uses ?? []))
    for (const action of uses)
      expect(action).toMatch(/^actions\/(checkout|setup-node|upload-artifact|cache\/(restore|save))@v\d+$/)
  })

  it('lets the token read code and no more, but for the question whether production has reviewers', () => {
    const workflow = parse(text) as { permissions: object; jobs: Record<string, PlainJob> }
    expect(workflow.permissions).toEqual({ contents: 'read' })
    for (const { permissions } of Object.values(workflow.jobs))
      if (permissions) expect(permissions).toEqual({ contents: 'read', actions: 'read' })
  })
})

it.each([
  { sample: 'whole', job: 'deploy' },
  { sample: 'onlyProduction', job: 'check' },
] as const)('in $job of $sample production is asked for before anything of the commit is there', ({ sample, job }) => {
  const { jobs } = parse(githubWorkflow(samples[sample])) as { jobs: Record<string, PlainJob & { outputs?: object }> }
  const { steps, outputs } = jobs[job]!
  expect(steps[0]).toMatchObject({ id: 'guarded', name: 'Ask whether production has reviewers' })
  expect(outputs).toEqual({ guarded: '${{ steps.guarded.outputs.guarded }}' })
  const ids = Object.values(jobs).flatMap(({ steps }) => steps.filter((step) => 'id' in step))
  expect(ids, 'no other step has an output that could be taken for it').toHaveLength(1)
})

it('a workflow with a fault has errors for that parser', async () => {
  const text = githubWorkflow(whole)
  expect((await readWorkflow(text.replace('runs-on:', 'run-on:'))).errors.join()).toContain('run-on')
  expect((await readWorkflow(text.replace('github.ref ==', 'githab.ref =='))).errors.join()).toContain('githab')
  expect((await readWorkflow(text.replace('needs: deploy', 'needs: deplay'))).errors.join()).toContain('deplay')
  expect((await readWorkflow(text.replace('contents: read', 'contents: admin'))).errors).not.toEqual([])
})

describe('which jobs run', () => {
  const jobs = (parse(githubWorkflow(whole)) as { jobs: Record<string, PlainJob> }).jobs
  const main = 'refs/heads/main'
  const cases = [
    { event: 'pull_request', ref: 'refs/pull/7/merge', release: null, guarded: '', runs: ['check'] },
    { event: 'push', ref: main, release: null, guarded: 'true', runs: ['deploy', 'release'] },
    { event: 'push', ref: main, release: null, guarded: 'false', runs: ['deploy'] },
    { event: 'push', ref: main, release: null, guarded: '', runs: ['deploy'] },
    { event: 'workflow_dispatch', ref: main, release: true, guarded: '', runs: ['deploy', 'release'] },
    { event: 'workflow_dispatch', ref: main, release: false, guarded: '', runs: ['deploy'] },
    { event: 'workflow_dispatch', ref: 'refs/heads/other', release: true, guarded: 'true', runs: [] },
  ]
  it.each(cases)('$event of $ref, release $release, guarded "$guarded": $runs', ({ event, ref, release, guarded, runs }) => {
    const github = { event_name: event, ref, event: { repository: { default_branch: 'main' } } }
    const contexts = { github, inputs: { release }, needs: { deploy: { outputs: { guarded } } } }
    const running = Object.entries(jobs).filter(([, job]) => evaluate(job.if ?? 'true', contexts) === 'true')
    expect(running.map(([id]) => id)).toEqual(runs)
  })

  it('check also runs for the branch where nothing is deployed before production', () => {
    const { jobs } = parse(githubWorkflow(samples.onlyProduction)) as { jobs: Record<string, PlainJob> }
    expect(jobs['check']!.if).toBeUndefined()
    expect(jobs['release']!.needs).toBe('check')
    expect(jobs['release']!.if).toContain('needs.check.outputs.guarded')
  })
})

describe('names that try to leave their place', () => {
  it.each(hostile)('%j', async (text) => {
    const made = githubWorkflow(hostileFacts(text))
    const { errors, plain } = await readWorkflow(made)
    expect(errors).toEqual([])
    expect(Object.keys(plain.jobs)).toEqual(['check', 'deploy', 'release'])
    const { deploy, release } = plain.jobs
    expect(plain.name).toBe(`shiv ${text.replaceAll('${{', '$ {{')}`)
    expect(deploy!.env).toEqual({ SHIV_FOLDER: text, SHIV_ENVIRONMENT: text })
    expect(deploy!.environment!.name).toBe(text)
    expect(release!.environment!.name).toBe(`${text} too`)
    for (const { branches = [], paths = [] } of Object.values(plain.on).filter((on) => typeof on !== 'string'))
      for (const pattern of [...branches, ...paths]) expect(pattern).toMatch(/^[A-Za-z0-9._/ *-]+$/)
    // Not a character of the name is in a script: they are those of a workspace with a harmless one.
    const harmless = await readWorkflow(githubWorkflow({ ...whole, folder: 'shop' }))
    expect(runsOf(plain.jobs)).toEqual(runsOf(harmless.plain.jobs))
  })
})
