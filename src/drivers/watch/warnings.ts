import type { WatchWarning } from '../../engine/ports.ts'
import { harmless } from '../../core/harmless.ts'
import { queueLength, readLimit } from './burst.ts'

/** The kernel's queue may have run over. */
export function overflowWarning(): WatchWarning {
  return {
    code: 'WATCH_OVERFLOW',
    message: `So many files changed at once that the kernel may have dropped some of the news (its queue holds ${queueLength()}); everything is compared anew.`,
    hint: `if it comes often, make the queue longer: ${raise('max_queued_events', queueLength())}`,
  }
}

/** No further watch can be set: `code` is what the kernel said. */
export function limitWarning(code: string, polled: number): WatchWarning {
  const folders = polled === 1 ? '1 folder is' : `${polled} folders are`
  const consequence = `${folders} looked at once in a while instead, so that saves there are seen later.`
  if (code === 'ENOSPC') {
    return {
      code: 'WATCH_LIMIT',
      message: `All file watches of this user are taken (fs.inotify.max_user_watches); ${consequence}`,
      hint: `allow more: ${raise('max_user_watches', readLimit('max_user_watches') ?? 65_536)}`,
    }
  }
  return {
    code: 'WATCH_LIMIT',
    message: `No further file watcher can be opened: this user's watchers (fs.inotify.max_user_instances) or the files that a process may open are used up; ${consequence}`,
    hint: `allow more: ${raise('max_user_instances', readLimit('max_user_instances') ?? 128)}; or raise ulimit -n`,
  }
}

/** What is in this folder cannot be heard. */
export function unreadableWarning(path: string, code: string): WatchWarning {
  return {
    code: 'WATCH_FOLDER_UNREADABLE',
    message: `${harmless(path) || 'The folder'} cannot be watched (${code}): saves in it are not seen.`,
    hint: 'let your user read it, or have it ignored: reload.rules of service.yaml',
  }
}

/** A name that is no UTF-8, already made readable. */
export function nameWarning(path: string): WatchWarning {
  return {
    code: 'WATCH_NAME_UNREADABLE',
    message: `The name of ${harmless(path)} is no UTF-8 text: it is neither watched nor sent anywhere.`,
    hint: 'give it a name in UTF-8',
  }
}

function raise(name: string, now: number): string {
  return `sudo sysctl fs.inotify.${name}=${now * 4}`
}
