import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ImagePlan } from '../../../src/plan/types.ts'
import { connectEngine } from '../../../src/drivers/docker/engine.ts'
import { collectHostImages } from '../../../src/drivers/docker/collect.ts'
import { createImageBuilder } from '../../../src/drivers/docker/image-builder.ts'
import { probeDocker } from '../../../src/drivers/docker/probe.ts'
import { dockerHas } from './available.ts'

const workspace = `test-builder-${process.pid}`
let home: string
let context: string

function image(dockerfile: string): ImagePlan {
  return {
    service: 'app',
    repository: `shiv.local/${workspace}/app`,
    source: { kind: 'build', context, dockerfile: { text: dockerfile }, args: { GREETING: 'hello' }, ignore: [] },
  }
}

function ensure(
  dockerfile: string,
  options: { signal?: AbortSignal; environment?: NodeJS.ProcessEnv; progress?(text: string): void } = {},
) {
  const builder = createImageBuilder({ home })
  const none = (): void => undefined
  return builder.ensure(image(dockerfile), {
    signal: new AbortController().signal,
    environment: process.env,
    progress: none,
    ...options,
  })
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'shiv-builder-'))
  context = await mkdtemp(join(tmpdir(), 'shiv-context-'))
  await writeFile(join(context, 'a.txt'), 'one')
  await writeFile(join(context, '.env.local'), 'TOKEN=secret')
})
afterAll(async () => {
  await rm(home, { recursive: true, force: true })
  await rm(context, { recursive: true, force: true })
})

test('without Docker the error says how to start it', async () => {
  const environment = { ...process.env, DOCKER_HOST: 'unix:///nowhere/docker.sock' }
  await expect(ensure('FROM busybox:1.36\n', { environment })).rejects.toMatchObject({ code: 'DOCKER_UNAVAILABLE', exit: 3 })
  expect(await probeDocker(environment)).toMatchObject({ available: false, code: 'DOCKER_UNAVAILABLE' })
})

test('an image that is named and not built is taken as it is', async () => {
  const source = { kind: 'reference' as const, image: 'ghcr.io/x/y:1' }
  const call = { signal: new AbortController().signal, environment: {}, progress: () => undefined }
  const builder = createImageBuilder({ home })
  expect(await builder.ensure({ service: 'app', repository: 'x', source }, call)).toEqual({
    reference: 'ghcr.io/x/y:1',
    cached: true,
  })
})

describe.skipIf(!dockerHas('busybox:1.36'))('on a real engine', () => {
  const dockerfile = 'FROM busybox:1.36\nARG GREETING\nCOPY . /app/\nRUN echo $GREETING > /app/greeting; ls -a /app > /app/list\n'

  afterAll(async () => {
    const engine = await connectEngine(process.env)
    const filters = encodeURIComponent(JSON.stringify({ label: [`dev.shiv.workspace=${workspace}`] }))
    for (const { Id } of await engine.json<{ Id: string }[]>('GET', `/images/json?filters=${filters}`)) {
      await engine.json('DELETE', `/images/${Id}?force=true`)
    }
  })

  test('the probe tells what the engine is', async () => {
    expect(await probeDocker()).toMatchObject({
      available: true,
      memoryBytes: expect.any(Number),
      version: expect.stringMatching(/\d/),
    })
  })

  test('builds once for equal content, again for other content, and labels what it built', async () => {
    const steps: string[] = []
    const first = await ensure(dockerfile, { progress: (text) => steps.push(text) })
    expect(first.cached).toBe(false)
    expect(steps.some((step) => step.includes('RUN echo'))).toBe(true)
    expect(await ensure(dockerfile)).toMatchObject({ reference: first.reference, cached: true })
    await writeFile(join(context, 'a.txt'), 'two')
    const second = await ensure(dockerfile)
    expect(second.reference).not.toBe(first.reference)
    expect(second.cached).toBe(false)
    const engine = await connectEngine(process.env)
    const { Config } = await engine.json<{ Config: { Labels: Record<string, string> } }>(
      'GET',
      `/images/${second.reference}/json`,
    )
    expect(Config.Labels).toMatchObject({ 'dev.shiv.workspace': workspace, 'dev.shiv.service': 'app' })
    expect(Config.Labels['dev.shiv.inputs']?.startsWith(second.reference.split(':')[1] ?? '-')).toBe(true)
  })

  test("a developer's secrets are not in the image", async () => {
    const proof = `${dockerfile}RUN if grep -q env.local /app/list; then exit 1; fi\n`
    await expect(ensure(proof)).resolves.toMatchObject({ cached: false })
  })

  test('a failing step is named with its line and its last lines', async () => {
    const failing = 'FROM busybox:1.36\nRUN echo before\nRUN echo "cannot find it"; \\\n  exit 3\n'
    await expect(ensure(failing)).rejects.toMatchObject({
      code: 'DOCKER_BUILD_FAILED',
      exit: 1,
      message: expect.stringMatching(/:3\): RUN echo "cannot find it";\s+exit 3/),
      evidence: expect.arrayContaining(['cannot find it']),
    })
  })

  test('a Dockerfile that cannot be read is shown with its line', async () => {
    await expect(ensure('FROM busybox:1.36\nCOPYY a b\n')).rejects.toMatchObject({
      code: 'DOCKER_BUILD_FAILED',
      evidence: ['COPYY a b'],
    })
  })

  test('a full disk is told as one', async () => {
    const full = 'FROM busybox:1.36\nRUN dd if=/dev/zero of=/dev/full\n'
    await expect(ensure(full)).rejects.toMatchObject({ code: 'DOCKER_DISK_FULL', exit: 3 })
  })

  test('a cancelled build ends at once and leaves no image', async () => {
    const controller = new AbortController()
    // Of this run alone: the engine joins a build to an equal one that is under way.
    const slow = `FROM busybox:1.36\nRUN echo started ${randomUUID()}; exec sleep 300\n`
    const cancelled = ensure(slow, {
      signal: controller.signal,
      progress: (text) => text.includes('RUN') && controller.abort(new Error('interrupted')),
    })
    await expect(cancelled).rejects.toThrow('interrupted')
  })

  test('old images of ours are collected, kept ones and those of others stay', async () => {
    const engine = await connectEngine(process.env)
    const tags = async (): Promise<string[]> => {
      const all = await engine.json<{ RepoTags: string[] | null }[]>('GET', '/images/json')
      return all.flatMap((found) => found.RepoTags ?? [])
    }
    const keep = (await ensure(dockerfile)).reference
    const own = (await tags()).filter((tag) => tag.startsWith(`shiv.local/${workspace}/`) && tag !== keep)
    expect(own.length).toBeGreaterThan(0)
    const removed = await collectHostImages(engine, { keep: [keep], workspace })
    expect(removed).toEqual(expect.arrayContaining(own))
    const after = await tags()
    expect(after).toContain(keep)
    expect(after.filter((tag) => own.includes(tag))).toEqual([])
    expect(after).toContain('busybox:1.36')
  })
})
