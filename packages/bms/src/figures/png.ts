// Figures as PNG files, for Node. The renderer and the typeface come with the package, so that a figure looks the same on
// a machine without any font; both are loaded when the first figure is drawn, not when training starts.
import { createRequire } from 'node:module'
import { BmsError } from '@bms/tensor'
import { type ClosestMatchOptions, closestMatchSvg } from './closest-match.js'
import { type CurvesOptions, curvesSvg } from './curves.js'
import { type ScatterOptions, scatterSvg } from './scatter.js'

/** Pixels for each unit of the SVG, unless asked for more. */
const screenDensity = 2
/** Of figures laid out for print (panels.ts, 40 units a centimetre): 400 dots an inch. */
export const printDensity = 4

/**
 * Draws SVG text with the bundled typeface.
 * @param density pixels a unit of the SVG
 * @returns the bytes of a PNG file
 * @throws BmsError `RENDER_FAILED` where the renderer has no build for this platform or cannot read the SVG
 */
export async function renderPng(svg: string, density = screenDensity): Promise<Uint8Array> {
  try {
    const { renderAsync } = await import('@resvg/resvg-js')
    const image = await renderAsync(svg, {
      fitTo: { mode: 'zoom', value: density },
      font: { loadSystemFonts: false, fontFiles: fontFiles(), defaultFontFamily: 'Inter', sansSerifFamily: 'Inter' },
    })
    return image.asPng()
  } catch (cause) {
    throw new BmsError(
      'RENDER_FAILED',
      `cannot draw the figure: ${cause instanceof Error ? cause.message : String(cause)}`,
      { platform: `${process.platform}-${process.arch}` },
      { cause },
    )
  }
}

/** `scatterSvg` as a PNG: the run's samples.png. */
export async function scatterFigure(options: ScatterOptions): Promise<Uint8Array> {
  return renderPng(scatterSvg(options))
}

/** `curvesSvg` as a PNG. */
export async function curvesFigure(options: CurvesOptions): Promise<Uint8Array> {
  return renderPng(curvesSvg(options))
}

/** `closestMatchSvg` as a PNG. */
export async function closestMatchFigure(options: ClosestMatchOptions): Promise<Uint8Array> {
  return renderPng(closestMatchSvg(options))
}

function fontFiles(): string[] {
  const { resolve } = createRequire(import.meta.url)
  return ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'].map((file) => resolve(`@expo-google-fonts/inter/${file}`))
}
