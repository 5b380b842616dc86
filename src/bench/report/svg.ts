import { duration } from './words.ts'
import { escapeXml } from './xml.ts'

export interface Scale {
  (value: number): number
  domain: [number, number]
}

/** Maps values linearly to pixels. A domain without width is widened, so that its one value stands in the middle. */
export function linear([from, to]: [number, number], [start, end]: [number, number]): Scale {
  const [low, high] = from === to ? [from - 1, to + 1] : [from, to]
  const scale = (value: number): number => start + ((value - low) / (high - low)) * (end - start)
  return Object.assign(scale, { domain: [low, high] as [number, number] })
}

/** About `count` round values within a domain: steps of 1, 2 or 5 times a power of ten. */
export function ticks([low, high]: [number, number], count = 4): number[] {
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!
  const first = Math.ceil(low / step)
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, index) => (first + index) * step)
}

/** A picture with a title that screen readers read. */
export function picture(title: string, width: number, height: number, parts: string[]): string {
  return `<svg role="img" aria-label="${escapeXml(title)}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${escapeXml(title)}</title>${parts.join('')}</svg>`
}

export function text(
  x: number,
  y: number,
  content: string,
  options: { anchor?: 'start' | 'middle' | 'end'; style?: string } = {},
): string {
  const { anchor = 'start', style } = options
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${style ? ` class="${style}"` : ''}>${escapeXml(content)}</text>`
}

export function line(x1: number, y1: number, x2: number, y2: number, style: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${style}"/>`
}

export function dot(x: number, y: number, style: string, tip: string, radius = 3): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" class="${style}"><title>${escapeXml(tip)}</title></circle>`
}

export function box(x: number, y: number, width: number, height: number, style: string, tip: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0.5, width))}" height="${height}" class="${style}"><title>${escapeXml(tip)}</title></rect>`
}

/** A vertical axis of durations with lines across the plot. */
export function durationAxis(scale: Scale, left: number, right: number): string[] {
  return ticks(scale.domain).flatMap((value) => [
    line(left, scale(value), right, scale(value), 'grid'),
    text(left - 6, scale(value) + 4, duration(value), { anchor: 'end', style: 'small' }),
  ])
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
