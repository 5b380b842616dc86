import { gunzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import type { KubeClient } from '../../../src/drivers/kubernetes/client.ts'
import { createOverlayKeeper } from '../../../src/drivers/kubernetes/reload-overlay.ts'
import type { KubeObject } from '../../../src/plan/types.ts'

const kept = (sequence: number) => ({
  namespace: 'shop',
  run: 'shop',
  service: 'web',
  name: 'web-overlay',
  image: 'web:1',
  root: '/app',
  overlay: new Map(),
  mark: `mark${sequence}`,
  sequence,
})

/** An API server that is away for its first `failures` requests. */
function cluster(failures: number): { client: KubeClient; written: string[]; asked(): number } {
  const written: string[] = []
  let asked = 0
  const call = async (_method: string, _path: string, { body }: { body: KubeObject & { data: { mark: string } } }) => {
    asked += 1
    if (asked <= failures) throw new Error('connection refused')
    gunzipSync(Buffer.from((body as unknown as { binaryData: Record<string, string> }).binaryData['overlay.tar.gz']!, 'base64'))
    written.push(body.data.mark.trim())
  }
  return { client: { call } as unknown as KubeClient, written, asked: () => asked }
}

it('an overlay that could not be kept is written when it can be, the newest one, and its failure is told once', async () => {
  const { client, written, asked } = cluster(3)
  const failures: string[] = []
  const done: number[] = []
  const keeper = createOverlayKeeper(client, (service, error) => failures.push(`${service}: ${(error as Error).message}`))
  keeper.keep(kept(1), () => done.push(1))
  await expect.poll(asked, { timeout: 10_000 }).toBe(2)
  expect(failures).toEqual(['web: connection refused'])
  keeper.keep(kept(2), () => done.push(2))
  await expect.poll(() => written, { timeout: 10_000 }).toEqual(['2 mark2'])
  await expect.poll(() => done).toEqual([2])
  expect(failures).toHaveLength(2)
  keeper.keep(kept(3), () => done.push(3))
  await expect.poll(() => written, { timeout: 10_000 }).toEqual(['2 mark2', '3 mark3'])
  keeper.close()
})

it('ends with its run', async () => {
  const { client, asked } = cluster(Infinity)
  const keeper = createOverlayKeeper(client, () => {})
  keeper.keep(kept(1), () => {})
  await expect.poll(asked).toBe(1)
  keeper.close()
  keeper.keep(kept(2), () => {})
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(asked()).toBe(1)
})
