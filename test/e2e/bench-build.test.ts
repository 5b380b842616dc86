import { execa } from 'execa'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BenchReport } from '../../src/bench/report.ts'
import { dockerHas } from '../drivers/docker/available.ts'
import { openShiv, tinyService, writeTree, type OwnShiv } from '../support/own-shiv.ts'

const available = dockerHas('node:20-slim')
let own: OwnShiv

beforeEach(async () => {
  own = await openShiv('bench-build')
})
afterEach(() => own.close())

const INSTALL_LAST =
  'FROM node:20-slim\nWORKDIR /app\nCOPY . .\nRUN npm ci --offline\nUSER 1000:1000\nCMD ["node", "server.js"]\n'
const INSTALL_FIRST = INSTALL_LAST.replace(
  'COPY . .\nRUN npm ci --offline\n',
  'COPY package*.json ./\nRUN npm ci --offline\nCOPY . .\n',
)

async function benchBuild(dockerfile: string): Promise<BenchReport> {
  const files = tinyService('benched', 'build: { dockerfile: Dockerfile }\n')
  await writeTree(own.folder, { ...files, 'benched/Dockerfile': dockerfile })
  return JSON.parse(
    await own.shiv(['bench', 'build', '--runtime', 'kind', '--runs', '1', '--json'], { cwd: join(own.folder, 'benched') }),
  ) as BenchReport
}

describe.skipIf(!available)('shiv bench build, with Docker and without any cluster', () => {
  it('names the install that one saved source file repeats, and a context that is too large', async () => {
    await writeTree(own.folder, tinyService('benched'))
    await writeFile(join(own.folder, 'benched', 'recording.bin'), Buffer.alloc(60e6, 'x'))
    const report = await benchBuild(INSTALL_LAST)
    expect(report.advice.map(({ id }) => id).sort()).toEqual(['context-size', 'layer-order'])
    expect(report.advice.find(({ id }) => id === 'layer-order')!.evidence[0]).toMatch(/^RUN npm ci --offline: /)
    expect(report.advice.find(({ id }) => id === 'context-size')!.evidence[0]).toMatch(/^recording\.bin: 60 MB$/)
    const spans = (measure: string) =>
      report.series.find((one) => one.measure === measure)!.samples[0]!.spans.map(({ name }) => name)
    expect(spans('build.file')).toContain('image benched › RUN npm ci --offline')
    expect(spans('build.no-change')).not.toContain('image benched › RUN npm ci --offline')
    const { stdout } = await execa('docker', [
      'image',
      'ls',
      '--format',
      '{{.Repository}}',
      '--filter',
      'reference=shiv.local/benched-b*/*',
    ])
    expect(stdout).toBe('')
  }, 240_000)

  it('has nothing to say where dependencies are installed before the source is copied', async () => {
    const report = await benchBuild(INSTALL_FIRST)
    expect(report.advice).toEqual([])
    const steps = report.series.find(({ measure }) => measure === 'build.file')!.samples[0]!.spans.map(({ name }) => name)
    expect(steps).not.toContain('image benched › RUN npm ci --offline')
    expect(steps).toContain('image benched › COPY . .')
  }, 240_000)
})
