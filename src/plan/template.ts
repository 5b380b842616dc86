/**
 * Fills `${name}` from `values`. A name that is not there stays as it is: a Dockerfile has variables of its own.
 */
export function expandTemplate(text: string, values: Record<string, string | number>): string {
  return text.replaceAll(/\$\{([A-Za-z][A-Za-z0-9._]*)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  )
}
