import { ShivError } from '../core/errors.ts'
import { askHidden } from './ask.ts'
import type { Invocation } from './command.ts'

type Question = { variable: string; prompt: string }

/** What a person can be asked for so that the failed work may go on; empty when any of its faults needs something else. */
export function questionsOf(error: unknown): Question[] {
  if (!(error instanceof ShivError) || !error.faults.every(({ ask }) => ask)) return []
  const byVariable = new Map(error.faults.flatMap(({ ask }) => (ask ? [[ask.variable, ask] as const] : [])))
  return [...byVariable.values()]
}

/** Asks for each value, unseen while it is typed. By variable name; they live in memory only. */
export async function askForSecrets(invocation: Invocation, questions: Question[]): Promise<Record<string, string>> {
  const answers: Record<string, string> = {}
  for (const { variable, prompt } of questions) answers[variable] = await askHidden(`${prompt} (${variable}): `, invocation)
  return answers
}
