import type { Request } from '../../wire/messages.ts'
import { collectSpans } from '../bench/daemon-spans.ts'
import type { Invocation } from '../command.ts'
import { withProgress } from '../with-progress.ts'
import type { StageNotes } from './stages.ts'

/** Asks the daemon with its progress shown, and notes the steps as the stage's spans, however it ends. */
export async function timedRequest<T>(invocation: Invocation, request: Request, notes: StageNotes): Promise<T> {
  const spans = collectSpans()
  try {
    return await withProgress<T>(invocation, request, (event) => spans.onEvent(event))
  } finally {
    notes.spans = spans.spans('daemon')
  }
}
