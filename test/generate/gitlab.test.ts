import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { gitlabPipeline } from '../../src/generate/ci/gitlab.ts'
import { gitlabCiLocalVersion, gitlabFaults, readPipeline, shellFaults } from './platforms.ts'
import { hostile, hostileFacts, samples, whole } from './samples.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A repository that holds these files, as gitlab-ci-local wants one. */
function repositoryWith(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shiv-gitlab-'))
  folders.push(folder)
  const git = (...words: string[]) => execFileSync('git', ['-C', folder, ...words])
  git('init', '--quiet', '--initial-branch', 'main')
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  git('add', '.')
  git('-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '--message', 'files')
  git('remote', 'add', 'origin', 'git@gitlab.com:shop/shop.git')
  git('update-ref', 'refs/remotes/origin/main', 'HEAD')
  git('symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/main')
  return folder
}

type Jobs = Record<
  string,
  { script?: string[]; before_script?: string[]; after_script?: string[]; variables?: Record<string, unknown> }
>
const scriptsOf = (jobs: Jobs) =>
  Object.values(jobs).flatMap(({ before_script = [], script = [], after_script = [] }) => [
    ...before_script,
    ...script,
    ...after_script,
  ])

describe.each(Object.entries(samples))('the pipeline of %s', (name, facts) => {
  const text = gitlabPipeline(facts, { isPart: false })

  it('is the golden file', async () => {
    await expect(text).toMatchFileSnapshot(`../golden/generate/gitlab-${name}.yml`)
  })

  it("has no fault for GitLab's own schema; GitLab's parser itself runs only in its server, and was not asked", async () => {
    expect(await gitlabFaults(text)).toEqual([])
    expect(await gitlabFaults(gitlabPipeline(facts, { isPart: true }))).toEqual([])
  })

  it('has scripts that a POSIX shell and bash can read, alone and one behind the other as a runner runs them', async () => {
    const jobs = parse(text) as Jobs
    const whole = [...(jobs['.shiv']!.before_script ?? []), ...(jobs['shiv-check']!.script ?? [])].join('\n')
    for (const script of [...scriptsOf(jobs), whole]) {
      expect(await shellFaults('dash', script), script).toBe('')
      expect(await shellFaults('bash', script), script).toBe('')
    }
  })
})

it('a pipeline with a fault has faults for that schema', async () => {
  const text = gitlabPipeline(whole, { isPart: false })
  expect(await gitlabFaults(text.replace('stage: deploy', 'stages: deploy'))).not.toEqual([])
  expect(await gitlabFaults(text.replace('on_new_commit: interruptible', 'on_new_commit: sometimes'))).not.toEqual([])
  expect(await gitlabFaults(text.replace('when: manual', 'when: perhaps'))).not.toEqual([])
})

describe(`gitlab-ci-local ${gitlabCiLocalVersion}, another implementation of the language, expands it`, () => {
  it('for the default branch: deploy, and release by hand after it', async () => {
    const folder = repositoryWith({ '.gitlab-ci.yml': gitlabPipeline(whole, { isPart: false }) })
    const jobs = await readPipeline(folder, { CI_PIPELINE_SOURCE: 'push' })
    const seen = jobs
      .filter(({ when }) => when !== 'never')
      .map(({ name, when, needs }) => ({ name, when, needs: needs?.map(({ job }) => job) ?? [] }))
    expect(seen).toEqual([
      { name: 'shiv-deploy', when: 'on_success', needs: [] },
      { name: 'shiv-release', when: 'manual', needs: ['shiv-deploy'] },
    ])
    expect(jobs.find(({ name }) => name === 'shiv-release')!.allow_failure).toBe(false)
  })

  it('for a merge request: the check alone', async () => {
    const folder = repositoryWith({ '.gitlab-ci.yml': gitlabPipeline(whole, { isPart: false }) })
    const jobs = await readPipeline(folder, { CI_PIPELINE_SOURCE: 'merge_request_event' })
    expect(jobs.filter(({ when }) => when !== 'never').map(({ name }) => name)).toEqual(['shiv-check'])
  })

  it('as a part that another pipeline includes and gives a tag', async () => {
    const own = 'include:\n  - local: /shiv.yml\n.shiv:\n  tags: [privileged]\nlint:\n  stage: test\n  script: [make lint]\n'
    const folder = repositoryWith({ '.gitlab-ci.yml': own, 'shiv.yml': gitlabPipeline(whole, { isPart: true }) })
    const jobs = await readPipeline(folder, { CI_PIPELINE_SOURCE: 'push' })
    expect(jobs.map(({ name }) => name).sort()).toEqual(['lint', 'shiv-check', 'shiv-deploy', 'shiv-release'])
  })

  it('and refuses one that needs a job which is not there', async () => {
    const text = gitlabPipeline(whole, { isPart: false }).replace('- shiv-deploy', '- shiv-deplay')
    await expect(readPipeline(repositoryWith({ '.gitlab-ci.yml': text }), {})).rejects.toThrow('shiv-deplay')
  })
})

describe('names that try to leave their place', () => {
  const harmless = parse(gitlabPipeline({ ...whole, folder: 'shop', tools: [] }, { isPart: false })) as Jobs
  it.each(hostile)('%j', async (text) => {
    const made = gitlabPipeline(hostileFacts(text), { isPart: false })
    expect(await gitlabFaults(made)).toEqual([])
    const jobs = parse(made) as Jobs
    expect(Object.keys(jobs)).toEqual(Object.keys(harmless))
    expect(scriptsOf(jobs)).toEqual(scriptsOf(harmless))
    const { SHIV_FOLDER: folder } = jobs['.shiv']!.variables!
    const { SHIV_ENVIRONMENT: environment } = jobs['shiv-deploy']!.variables!
    // What GitLab would expand is told not to be.
    const expected = text.includes('$') ? { value: text, expand: false } : text
    expect([folder, environment]).toEqual([expected, expected])
  })
})
