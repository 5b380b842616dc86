import { expect, test } from 'vitest'
import { createStyle } from '../../src/core/style.ts'
import { createLiveProgress } from '../../src/cli/render/progress-live.ts'
import { createPlainProgress } from '../../src/cli/render/progress-plain.ts'
import type { Clock } from '../../src/cli/render/progress.ts'
import { startEvents } from './samples.ts'

const plain = createStyle({ colour: false, unicode: true })

/** A clock that moves when it is told to, calling its timers on the way. */
function fakeClock(): Clock & { moveTo(ms: number): void; timers: number } {
  let now = 0
  const timers = new Set<{ ms: number; next: number; callback: () => void }>()
  return {
    elapsed: () => now,
    every(ms, callback) {
      const timer = { ms, next: now + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    moveTo(target) {
      for (;;) {
        const due = [...timers].filter(({ next }) => next <= target).sort((a, b) => a.next - b.next)[0]
        if (!due) break
        now = due.next
        due.next += due.ms
        due.callback()
      }
      now = target
    },
    get timers() {
      return timers.size
    },
  }
}

test('plain progress: a line for each step that ended, and a sign of life in silence', async () => {
  const clock = fakeClock()
  const lines: string[] = []
  const progress = createPlainProgress((line) => lines.push(line), plain, clock)
  for (const { at, event } of startEvents) {
    clock.moveTo(at)
    progress.event(event)
  }
  progress.end()
  expect(clock.timers).toBe(0)
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../golden/cli/start-plain.txt')
})

/** What a terminal of the given size shows after these writes: enough of one for cursor up, line clear and screen clear. */
function screenAfter(writes: string): string[] {
  const rows: string[] = ['']
  let at = 0
  // oxlint-disable-next-line no-control-regex -- terminal codes begin with one
  for (const [token] of writes.matchAll(/\x1b\[(\d+)A|\x1b\[2K|\x1b\[0J|\r|\n|[^\x1b\r\n]+/g)) {
    if (token.endsWith('A') && token.startsWith('\x1b')) at -= Number(/\d+/.exec(token)?.[0])
    else if (token === '\x1b[2K') rows[at] = ''
    else if (token === '\x1b[0J') rows.splice(at, rows.length, '')
    else if (token === '\n') rows[(at += 1)] ??= ''
    else if (token !== '\r') rows[at] += token
    expect(at).toBeGreaterThanOrEqual(0)
  }
  return rows
}

test('live progress: what stands on the screen in the middle and at the end, and how often it was drawn', async () => {
  const clock = fakeClock()
  const writes: { at: number; text: string }[] = []
  const screen = {
    write: (text: string) => writes.push({ at: clock.elapsed(), text }),
    columns: () => 60,
    rows: () => 24,
    style: plain,
  }
  const progress = createLiveProgress(screen, clock)
  const snapshots: string[] = []
  for (const { at, event } of startEvents) {
    clock.moveTo(at)
    if (at === 14_000) snapshots.push(`at 14 s\n${screenAfter(writes.map(({ text }) => text).join('')).join('\n')}`)
    if (at === 2_100) snapshots.push(`at 2.1 s\n${screenAfter(writes.map(({ text }) => text).join('')).join('\n')}`)
    progress.event(event)
  }
  clock.moveTo(15_300)
  progress.end()
  progress.end()
  snapshots.push(`at the end\n${screenAfter(writes.map(({ text }) => text).join('')).join('\n')}`)
  expect(clock.timers).toBe(0)
  const mostInASecond = Math.max(
    ...writes.map(({ at }) => writes.filter((other) => other.at > at - 1_000 && other.at <= at).length),
  )
  expect(mostInASecond).toBeLessThanOrEqual(20)
  await expect(snapshots.join('\n')).toMatchFileSnapshot('../golden/cli/start-live.txt')
})
