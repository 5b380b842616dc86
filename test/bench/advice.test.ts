import { describe, expect, it } from 'vitest'
import { advise, type AdviceFacts } from '../../src/bench/advice.ts'

const idsOf = (facts: Partial<AdviceFacts>): string[] => advise({ service: 'orders', ...facts }).map(({ id }) => id)

describe('advice', () => {
  it('knows nothing of what was not measured', () => {
    expect(idsOf({})).toEqual([])
  })

  it('on the build context: 300 MB because .git is sent, and not a small one', () => {
    const sent = {
      bytes: 312e6,
      largest: [
        { path: '.git', bytes: 300e6 },
        { path: 'src', bytes: 12e6 },
      ],
    }
    const [advice] = advise({ service: 'orders', context: sent })
    expect(advice).toMatchObject({
      id: 'context-size',
      finding: 'the build context is 312 MB',
      evidence: ['.git: 300 MB'],
      remedy: 'what the image does not need goes into .dockerignore: .git',
    })
    expect(idsOf({ context: { bytes: 12e6, largest: [{ path: 'src', bytes: 12e6 }] } })).toEqual([])
  })

  it('on the order of layers: an install after a source file changed, and not one that was cached', () => {
    const install = (isCached: boolean, name = 'RUN npm ci') => ({
      fileBuild: {
        ms: 9_000,
        steps: [
          { name: 'COPY . .', ms: 100, isCached: false },
          { name, ms: 8_000, isCached },
        ],
      },
    })
    const [advice] = advise({ service: 'orders', ...install(false) })
    expect(advice).toMatchObject({ id: 'layer-order', evidence: ['RUN npm ci: 8.0 s of a build of 9.0 s'] })
    expect(idsOf(install(true))).toEqual([])
    for (const name of [
      'RUN pip install -r requirements.txt',
      'RUN go mod download',
      'RUN apt-get update && apt-get -y install curl',
    ])
      expect(idsOf(install(false, name)), name).toEqual(['layer-order'])
    for (const name of ['RUN npm run build', 'RUN go build ./...', 'COPY install.sh .'])
      expect(idsOf(install(false, name)), name).toEqual([])
  })

  it('on installs in the loop: a rule that installs at every save, and not one that builds', () => {
    const loop = { ms: 4_000, spans: new Map([['built', 3_600]]) }
    const [advice] = advise({ service: 'orders', loop, loopCommands: ['sh -c npm ci && npm run build'] })
    expect(advice).toMatchObject({ id: 'install-in-loop' })
    expect(advice!.evidence).toContain('building takes 3.6 s of a loop of 4.0 s')
    expect(idsOf({ loop, loopCommands: ['npm run build'] })).toEqual([])
  })

  it('on readiness: a loop that mostly waits for it, a probe that seldom asks, and neither', () => {
    const loop = (ready: number) => ({ loop: { ms: 2_000, spans: new Map([['ready', ready]]) } })
    expect(idsOf(loop(1_600))).toEqual(['slow-readiness'])
    expect(idsOf(loop(300))).toEqual([])
    expect(idsOf({ readiness: { periodMs: 30_000 } })).toEqual(['slow-readiness'])
    expect(idsOf({ readiness: { periodMs: 5_000 } })).toEqual([])
  })
})
