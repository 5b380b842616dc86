import { execa } from 'execa'
import type { DoctorCheck } from '../../wire/messages.ts'

/** What a check found; `fix` is there when `doctor --fix` can mend it, and says afterwards what it did. */
export type Finding = Omit<DoctorCheck, 'id' | 'title'> & { fix?: () => Promise<string> }

export interface Check {
  id: string
  title: string
  look(place: Place): Promise<Finding>
}

export interface Place {
  home: string
  environment: NodeJS.ProcessEnv
}

/** What a tool prints, or undefined when it is not there, does not work or takes longer than 5 s. */
export async function outputOf(command: string, argv: string[], { environment }: Place): Promise<string | undefined> {
  const { failed, stdout, stderr } = await execa(command, argv, {
    env: environment,
    extendEnv: false,
    reject: false,
    timeout: 5_000,
    stdin: 'ignore',
  })
  return failed ? undefined : `${stdout}\n${stderr}`.trim()
}

export function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim()
}
