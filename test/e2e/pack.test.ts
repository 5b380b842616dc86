import { execa } from 'execa'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { copyExample } from '../support/example.ts'

const root = join(import.meta.dirname, '..', '..')
let folder: string
let env: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shiv-pack-'))
  env = { SHIV_HOME: join(folder, 'home'), NO_COLOR: '1' }
  const { stdout } = await execa('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const packed = JSON.parse(stdout) as unknown
  const [{ filename }] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as [{ filename: string }]
  await mkdir(join(folder, 'project'))
  await execa('npm', ['init', '-y'], { cwd: join(folder, 'project') })
  await execa('npm', ['install', join(folder, filename)], { cwd: join(folder, 'project') })
  await copyExample('orders', join(folder, 'project', 'orders'))
}, 240_000)

afterAll(async () => {
  await shiv(['stop', '--purge', '--yes', 'orders'])
  await shiv(['daemon', 'stop'])
  await rm(folder, { recursive: true, force: true })
}, 60_000)

const shiv = (args: string[]) =>
  execa('npx', ['shiv', ...args], { cwd: join(folder, 'project'), env, reject: false, stdin: 'ignore' })

it('runs the quick start as installed from the package into an empty folder', async () => {
  const start = await shiv(['start', './orders', '--runtime', 'process'])
  // npx warns of npm's own configuration.
  expect(start.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('npm '))).toEqual([])
  expect(start.exitCode).toBe(0)
  const { services } = (
    JSON.parse((await shiv(['status', '--json'])).stdout) as { runs: { services: { directUrl: string }[] }[] }
  ).runs[0]!
  expect((await fetch(`${services[0]!.directUrl}/healthz`)).status).toBe(200)
}, 240_000)
