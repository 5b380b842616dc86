import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { COMMANDS } from '../../src/cli/commands.ts'
import { pipelineOf } from '../../src/core/pipeline.ts'
import { parseWords } from '../../src/cli/parse.ts'
import { githubWorkflow } from '../../src/generate/ci/github.ts'
import { gitlabPipeline } from '../../src/generate/ci/gitlab.ts'
import { KIND } from '../../src/generate/ci/pins.ts'
import type { PlainJob } from './platforms.ts'
import { whole } from './samples.ts'

const SECRETS = { kubeconfig: 'apiVersion: v1 # of-the-kubeconfig', password: 'p%s $HOME "`the-password' }
/** Puts down how it was called and what it was told. */
const RECORDER = `#!/bin/sh
printf '%s\\n' "$(basename "$0")|$*|KUBECONFIG=$KUBECONFIG|DOCKER_CONFIG=$DOCKER_CONFIG\${NPM_CONFIG_REGISTRY+|NPM_CONFIG_REGISTRY=$NPM_CONFIG_REGISTRY}" >> "$CALLS"
`

let folder: string
let bin: string
let env: Record<string, string>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shiv-scripts-'))
  bin = join(folder, 'stand-ins')
  for (const name of ['stand-ins', 'temp', 'home', 'project']) mkdirSync(join(folder, name))
  env = {
    PATH: `${bin}:/usr/bin:/bin`,
    HOME: join(folder, 'home'),
    CALLS: join(folder, 'calls'),
    RUNNER_TEMP: join(folder, 'temp'),
    SHIV_PACKAGE: 'https://npm.example.com/shiv-1.2.3.tgz',
    SHIV_REGISTRY_HOST: 'registry.example.com',
    SHIV_REGISTRY_USER: 'deployer',
    SHIV_REGISTRY_PASSWORD: SECRETS.password,
    SHIV_ENVIRONMENT: 'staging',
    SHIV_FOLDER: "a folder's $(touch owned)",
  }
  for (const name of ['GITHUB_ENV', 'GITHUB_PATH', 'GITHUB_OUTPUT']) {
    env[name] = join(folder, name)
    writeFileSync(env[name], '')
  }
  for (const name of ['npm', 'shiv', 'apk']) standIn(name)
  standIn('docker', 'case "$1" in login) cat > "$CALLS.stdin" ;; esac')
  // Gives the file that it was asked for, or another.
  standIn('curl', 'while [ "$1" != --output ]; do shift; done; printf "%s" "$DOWNLOAD" > "$2"')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function standIn(name: string, more = ''): void {
  writeFileSync(join(bin, name), `${RECORDER}${more}\n`)
  chmodSync(join(bin, name), 0o755)
}

const run = (shell: string[], script: string, more: Record<string, string> = {}) =>
  spawnSync(shell[0]!, [...shell.slice(1), '-c', script], {
    cwd: join(folder, 'project'),
    env: { ...env, ...more },
    encoding: 'utf8',
  })
/** As GitHub runs what has `shell: bash`. */
const BASH = ['bash', '--noprofile', '--norc', '-eo', 'pipefail']
/** As GitLab's runner runs it where there is no bash. */
const SH = ['dash', '-e']
const calls = (name: string): string[] =>
  existsSync(env['CALLS']!)
    ? readFileSync(env['CALLS']!, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith(`${name}|`))
    : []

const jobs = (parse(githubWorkflow({ ...whole, folder: 'shop' })) as { jobs: Record<string, PlainJob> }).jobs
const step = (job: string, name: string): string => jobs[job]!.steps.find((step) => step.name === name)!.run!
const exported = (): Record<string, string> =>
  Object.fromEntries(
    readFileSync(env['GITHUB_ENV']!, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )

describe.each(['GitHub', 'GitLab'])('what %s installs shiv from', (platform) => {
  const install = (more: Record<string, string>) =>
    platform === 'GitHub'
      ? run(BASH, step('deploy', 'Install shiv'), more)
      : run(
          SH,
          own.before_script.find((script) => script.includes('npm install'))!,
          { SHIV_JOB_FOLDER: folder, ...more },
        )
  const own = (parse(gitlabPipeline(whole, { isPart: false })) as { '.shiv': { before_script: string[] } })['.shiv']
  const registry = 'https://npm.example.com/shop/'
  const tarball = 'https://npm.example.com/shiv-1.2.3.tgz'

  it.each([
    { package: 'shiv@1.2.3', SHIV_NPM_REGISTRY: registry },
    { package: '@shop/shiv@1.2.3', SHIV_NPM_REGISTRY: registry },
    { package: tarball, SHIV_NPM_REGISTRY: registry },
    { package: tarball, SHIV_NPM_REGISTRY: '' },
  ])('$package of the registry "$SHIV_NPM_REGISTRY"', ({ package: SHIV_PACKAGE, SHIV_NPM_REGISTRY }) => {
    expect(install({ SHIV_PACKAGE, SHIV_NPM_REGISTRY })).toMatchObject({ status: 0, stderr: '' })
    const [call] = calls('npm')
    expect(call).toContain(` -- ${SHIV_PACKAGE}|`)
    const told = /NPM_CONFIG_REGISTRY=.*/.exec(call!)?.[0]
    expect(told, 'an empty one is not told').toBe(SHIV_NPM_REGISTRY === '' ? undefined : `NPM_CONFIG_REGISTRY=${registry}`)
  })

  it.each([
    { package: 'shiv@1.2.3', registry: '', says: 'set SHIV_NPM_REGISTRY to the https URL' },
    { package: '@shop/shiv', registry: '', says: 'set SHIV_NPM_REGISTRY to the https URL' },
    { package: 'http://npm.example.com/shiv.tgz', registry: '', says: 'or SHIV_PACKAGE to that of a tarball' },
    { package: 'shop/shiv', registry: '', says: 'set SHIV_NPM_REGISTRY to the https URL' },
    { package: 'shiv@1.2.3', registry: 'npm.example.com', says: 'SHIV_NPM_REGISTRY is not an https URL' },
    { package: 'shiv@1.2.3', registry: 'http://npm.example.com', says: 'SHIV_NPM_REGISTRY is not an https URL' },
  ])('not from $package with the registry "$registry"', ({ package: SHIV_PACKAGE, registry: SHIV_NPM_REGISTRY, says }) => {
    const { status, stderr } = install({ SHIV_PACKAGE, SHIV_NPM_REGISTRY })
    expect([status, stderr]).toEqual([1, expect.stringContaining(says)])
    expect(calls('npm')).toEqual([])
  })

  it('and not without the variable at all', () => {
    expect(install({ SHIV_PACKAGE: 'shiv@1.2.3' }).status).toBe(1)
    expect(calls('npm')).toEqual([])
  })
})

describe('what GitHub runs', () => {
  it('the kubeconfig becomes a file for its owner alone, and shiv is told where', () => {
    const without = run(BASH, step('deploy', 'Write the kubeconfig'), { KUBECONFIG_TEXT: '' })
    expect([without.status, without.stdout]).toEqual([1, expect.stringContaining('SHIV_KUBECONFIG is not set')])
    expect(run(BASH, step('deploy', 'Write the kubeconfig'), { KUBECONFIG_TEXT: SECRETS.kubeconfig }).status).toBe(0)
    const file = exported()['KUBECONFIG']!
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readFileSync(file, 'utf8')).toBe(`${SECRETS.kubeconfig}\n`)
  })

  it('the password goes by stdin, letter for letter, into a configuration of the job', () => {
    const { status, stdout, stderr } = run(BASH, step('deploy', 'Log in to the registry'))
    expect([status, stderr]).toEqual([0, ''])
    expect(calls('docker')).toEqual([
      expect.stringContaining('|login --username deployer --password-stdin -- registry.example.com|'),
    ])
    expect(readFileSync(`${env['CALLS']}.stdin`, 'utf8')).toBe(SECRETS.password)
    expect(`${stdout}${calls('docker').join()}`).not.toContain('the-password')
    expect(exported()['DOCKER_CONFIG']).toBe(join(env['RUNNER_TEMP']!, 'docker'))
    expect(statSync(exported()['DOCKER_CONFIG']!).mode & 0o777).toBe(0o700)
  })

  it('without a user nobody is logged in; Docker Hub has no name', () => {
    expect(run(BASH, step('deploy', 'Log in to the registry'), { SHIV_REGISTRY_USER: '' }).stdout).toContain('without a login')
    expect(calls('docker')).toEqual([])
    expect(exported()).toEqual({})
    run(BASH, step('deploy', 'Log in to the registry'), { SHIV_REGISTRY_HOST: '' })
    expect(calls('docker')).toEqual([expect.stringContaining('|login --username deployer --password-stdin|')])
  })

  it('shiv is called with the folder, the environment and the base as they are', () => {
    const base = { BASE_COMMIT: 'f'.repeat(40) }
    for (const [job, more] of Object.entries({ check: base, deploy: {}, release: {} })) run(BASH, step(job, 'shiv ci'), more)
    const report = `--report ${env['RUNNER_TEMP']}/shiv-report`
    expect(calls('shiv').map((line) => line.split('|')[1])).toEqual([
      `-C ${env['SHIV_FOLDER']} ci ${report} --against ${base.BASE_COMMIT}`,
      `-C ${env['SHIV_FOLDER']} ci ${report} --env staging`,
      `-C ${env['SHIV_FOLDER']} ci ${report} --env staging --yes --no-start`,
    ])
    expect(existsSync(join(folder, 'project/owned'))).toBe(false)
    run(BASH, step('check', 'shiv ci'), { BASE_COMMIT: '' })
    expect(calls('shiv').at(-1)).not.toContain('--against')
  })

  const ci = COMMANDS.find(({ name }) => name === 'ci')!
  it('in words that shiv ci takes', () => {
    for (const job of ['check', 'deploy', 'release'])
      run(BASH, step(job, 'shiv ci'), { BASE_COMMIT: 'main', SHIV_FOLDER: 'shop' })
    expect(calls('shiv')).toHaveLength(3)
    for (const call of calls('shiv')) {
      const words = call.split('|')[1]!.split(' ')
      expect(
        parseWords(
          ci,
          words.filter((word) => word !== 'ci'),
        ).args,
        call,
      ).toEqual([])
    }
  })

  it('a kind that is not the one whose checksum is known is not installed', () => {
    const { status, stdout } = run(BASH, step('check', 'Install kind'), { DOWNLOAD: 'another' })
    expect(status).not.toBe(0)
    expect(stdout).toContain('FAILED')
    expect(readFileSync(env['GITHUB_PATH']!, 'utf8')).toBe('')
    const sum = createHash('sha256').update('kind').digest('hex')
    const script = step('check', 'Install kind').replace(KIND.amd64, sum).replace(KIND.arm64, sum)
    expect(run(BASH, script, { DOWNLOAD: 'kind' }).status).toBe(0)
    expect(statSync(join(env['RUNNER_TEMP']!, 'bin/kind')).mode & 0o100).toBe(0o100)
    expect(readFileSync(env['GITHUB_PATH']!, 'utf8')).toBe(`${env['RUNNER_TEMP']}/bin\n`)
  })

  it('shiv comes from SHIV_PACKAGE, and from nowhere without it', () => {
    const without = run(BASH, step('check', 'Install shiv'), { SHIV_PACKAGE: '' })
    expect(without.status).toBe(1)
    expect(without.stderr).toContain('from a fork is given no variables')
    expect(calls('npm')).toEqual([])
    expect(run(BASH, step('check', 'Install shiv')).status).toBe(0)
    expect(calls('npm')[0]).toContain(`--prefix ${env['RUNNER_TEMP']}/npm -- ${env['SHIV_PACKAGE']}|`)
  })

  it.each([
    { at: '2026-11-28T02:00:00Z', attempt: '1', queued: '2026-11-28T02:00:00Z' },
    { at: '2026-11-28T02:00:00Z', attempt: '2', queued: undefined },
    { at: '', attempt: '1', queued: undefined },
  ])('a pull request of "$at", attempt $attempt: queued $queued', ({ at, attempt, queued }) => {
    const before = Date.now()
    const more = { REQUESTED_AT: at, GITHUB_RUN_ATTEMPT: attempt }
    expect(run(BASH, step('check', 'Note when the job began'), more).status).toBe(0)
    expect(exported()['SHIV_CI_QUEUED_AT']).toBe(queued)
    const { times } = pipelineOf({ GITHUB_ACTIONS: 'true', ...exported() })!
    expect(times.queued).toBe(queued && Date.parse(queued))
    const started = times.started!
    expect(started).toBeGreaterThanOrEqual(before)
    expect(started).toBeLessThanOrEqual(Date.now())
  })

  it.each([
    { says: 'echo 1', guarded: 'true' },
    { says: 'echo 0', guarded: 'false' },
    { says: 'echo not a number', guarded: 'false' },
    { says: ':', guarded: 'false' },
    { says: 'echo 1; exit 1', guarded: 'false' },
  ])('where the question about reviewers is answered by "$says": $guarded', ({ says, guarded }) => {
    standIn('gh', says)
    standIn('jq', 'echo production%2Feu')
    expect(run(BASH, step('deploy', 'Ask whether production has reviewers'), { GITHUB_REPOSITORY: 'shop/shop' }).status).toBe(0)
    expect(readFileSync(env['GITHUB_OUTPUT']!, 'utf8')).toBe(`guarded=${guarded}\n`)
    expect(calls('gh')[0]).toContain('|api repos/shop/shop/environments/production%2Feu --jq ')
  })
})

describe('what GitLab runs', () => {
  type Job = { before_script: string[]; script: string[]; after_script: string[] }
  const pipeline = parse(gitlabPipeline({ ...whole, folder: 'shop' }, { isPart: false })) as Record<string, Job>
  const own = pipeline['.shiv']!
  const sum = createHash('sha256').update('kind').digest('hex')
  const scriptOf = (job: string): string =>
    [...own.before_script, ...pipeline[job]!.script].join('\n').replace(KIND.amd64, sum).replace(KIND.arm64, sum)
  const jobFolder = (): string => join(folder, 'job')
  const more = (): Record<string, string> => ({ DOWNLOAD: 'kind', SHIV_JOB_FOLDER: jobFolder() })

  it('a deploy: secrets in files of the job, which are gone after it; the checkout is untouched while shiv works', () => {
    const secret = join(folder, 'variable-of-type-file')
    writeFileSync(secret, SECRETS.kubeconfig)
    mkdirSync(join(folder, 'project/.shiv-ci/history'), { recursive: true })
    writeFileSync(join(folder, 'project/.shiv-ci/history/class.jsonl'), 'of the cache\n')
    writeFileSync(join(folder, 'project/.shiv-ci/history/other.jsonl'), 'of the cache\n')
    symlinkSync(secret, join(folder, 'project/.shiv-ci/history/link.jsonl'))
    const history = join(env['HOME']!, '.local/state/shiv/bench/history')
    mkdirSync(history, { recursive: true })
    writeFileSync(join(history, 'other.jsonl'), 'of this machine\n')
    standIn(
      'shiv',
      `ls -a; stat -c %a "$KUBECONFIG"; cat "$KUBECONFIG"; mkdir "${jobFolder()}/report"; echo '<testsuites/>' > "${jobFolder()}/report/junit.xml"`,
    )
    const { status, stdout, stderr } = run(SH, scriptOf('shiv-deploy'), { ...more(), SHIV_KUBECONFIG: secret })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`.\n..\n600\n${SECRETS.kubeconfig}`)
    expect(calls('shiv')[0]).toBe(
      `shiv|-C ${env['SHIV_FOLDER']} ci --report ${jobFolder()}/report --env staging|KUBECONFIG=${jobFolder()}/kubeconfig|DOCKER_CONFIG=${jobFolder()}/docker`,
    )
    expect(readFileSync(`${env['CALLS']}.stdin`, 'utf8')).toBe(SECRETS.password)
    expect(readFileSync(env['CALLS']!, 'utf8')).not.toContain('the-password')
    expect(readFileSync(join(history, 'class.jsonl'), 'utf8')).toBe('of the cache\n')
    expect(readFileSync(join(history, 'other.jsonl'), 'utf8')).toBe('of this machine\n')
    expect(readdirSync(history).sort(), 'a link is not followed').toEqual(['class.jsonl', 'other.jsonl'])

    expect(run(SH, own.after_script.join('\n'), more()).status).toBe(0)
    expect(existsSync(jobFolder())).toBe(false)
    expect(readFileSync(join(folder, 'project/.shiv-ci/report/junit.xml'), 'utf8')).toBe('<testsuites/>\n')
    expect(readFileSync(join(folder, 'project/.shiv-ci/history/class.jsonl'), 'utf8')).toBe('of the cache\n')
  })

  it.each(['.shiv-ci', '.shiv-ci/history'])('a checkout whose %s is a link brings no history', (link) => {
    mkdirSync(join(folder, 'elsewhere/history'), { recursive: true })
    for (const file of ['elsewhere/class.jsonl', 'elsewhere/history/class.jsonl'])
      writeFileSync(join(folder, file), 'of the machine\n')
    mkdirSync(dirname(join(folder, 'project', link)), { recursive: true })
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'project', link))
    expect(run(SH, scriptOf('shiv-check'), more())).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(env['HOME']!, '.local/state/shiv/bench/history'))).toEqual([])
    expect(existsSync(join(folder, 'project/.shiv-ci')), 'the link is gone').toBe(false)
    expect(existsSync(join(folder, 'elsewhere/history/class.jsonl')), 'and what it leads to is not').toBe(true)
  })

  it('a kubeconfig that is no variable of type File ends the job', () => {
    const { status, stderr } = run(SH, scriptOf('shiv-deploy'), { ...more(), SHIV_KUBECONFIG: SECRETS.kubeconfig })
    expect(status).toBe(1)
    expect(stderr).toContain('type File')
    expect(stderr).not.toContain('of-the-kubeconfig')
    expect(calls('shiv')).toEqual([])
  })

  it('Docker is started where none answers', () => {
    standIn('docker', `[ "$1" != version ] || [ -e "${folder}/engine" ]`)
    standIn('dockerd-entrypoint.sh', `touch "${folder}/engine"`)
    standIn('sleep', 'exec /bin/sleep 0.1')
    expect(run(SH, scriptOf('shiv-check'), more())).toMatchObject({ status: 0, stderr: '' })
    expect(calls('dockerd-entrypoint.sh')[0]).toContain('|dockerd --host=unix:///var/run/docker.sock|')
    expect(calls('shiv')[0]).toContain(`ci --report ${jobFolder()}/report|`)
  })

  it('and where it does not start, the job says so', () => {
    standIn('docker', 'exit 1')
    standIn('dockerd-entrypoint.sh', 'echo "mount: permission denied"')
    standIn('sleep', ':')
    const { status, stderr } = run(SH, scriptOf('shiv-check'), more())
    expect(status).toBe(1)
    expect(stderr).toContain('mount: permission denied')
    expect(stderr).toContain('privileged')
    expect(calls('shiv')).toEqual([])
  })
})
