import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** Something that serves a file's version and may be edited: what a loop is measured on. */
export interface Subject {
  /** Where the version is answered, as text. */
  url: string
  /** The file that is saved. */
  file: string
  /** The file's text for a version. */
  text(version: string): string
}

const DEADLINE_MS = 30_000
const PAUSE_MS = 1

/**
 * Milliseconds from a save to the first answer of the new code. The file is written in place, as most editors and scripts do; the service is asked
 * again a millisecond after each answer, over a kept connection. `bring` is what has to be done by hand after the save; the service is asked when it
 * is over.
 */
export async function timeEdit(subject: Subject, version: string, bring?: () => Promise<void>): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const began = performance.now()
    writeFileSync(subject.file, subject.text(version))
    await bring?.()
    for (;;) {
      const body = await ask(subject.url, agent)
      if (body === version) return performance.now() - began
      if (performance.now() - began > DEADLINE_MS)
        throw new Error(`${subject.url} never answered ${version}: ${body ?? 'no answer'}`)
      await delay(PAUSE_MS)
    }
  } finally {
    agent.destroy()
  }
}

/** The loops of `count` edits after `warmUps`, a second apart as a person's are, so that none begins in the shadow of the one before. */
export async function timeEdits(subject: Subject, name: string, count: number, warmUps = 3): Promise<number[]> {
  const samples: number[] = []
  for (let i = -warmUps; i < count; i++) {
    const elapsed = await timeEdit(subject, `${name}-${i + warmUps}`)
    if (i >= 0) samples.push(elapsed)
    await delay(1_000)
  }
  return samples
}

/** Waits until the subject answers at all. */
export async function untilAnswers(subject: Subject): Promise<void> {
  const began = performance.now()
  const agent = new Agent()
  while ((await ask(subject.url, agent)) === undefined) {
    if (performance.now() - began > DEADLINE_MS) throw new Error(`${subject.url} never answered`)
    await delay(20)
  }
}

function ask(url: string, agent: Agent): Promise<string | undefined> {
  const { hostname, port, pathname, host } = new URL(url)
  return new Promise((resolve) => {
    // A name below localhost is this machine, whatever its resolver says.
    const asking = request(
      { host: hostname.endsWith('localhost') ? '127.0.0.1' : hostname, port, path: pathname, agent, headers: { host } },
      (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => resolve((answer.statusCode ?? 500) < 400 ? Buffer.concat(parts).toString('utf8') : undefined))
        answer.on('error', () => resolve(undefined))
      },
    )
    asking.on('error', () => resolve(undefined))
    asking.end()
  })
}
