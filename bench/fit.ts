/** A straight line through measured times, and how straight they lie. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** The share of the times' variance that the line explains, 1 at best. */
  readonly rSquared: number;
}

/** What is left over is weighed relative to the time: else the largest alone would say where the line goes. */
const weightOf = ({ y }: Point): number => 1 / y ** 2;

function sumOf(points: readonly Point[], of: (point: Point) => number): number {
  return points.reduce((sum, point) => sum + weightOf(point) * of(point), 0);
}

/** The weighted least squares of y = intercept + slope · x. */
export function fitLine(points: readonly Point[]): Line {
  const total = sumOf(points, () => 1);
  const meanX = sumOf(points, ({ x }) => x) / total;
  const meanY = sumOf(points, ({ y }) => y) / total;
  const slope = sumOf(points, ({ x, y }) => (x - meanX) * (y - meanY)) / sumOf(points, ({ x }) => (x - meanX) ** 2);
  const intercept = meanY - slope * meanX;
  const residual = sumOf(points, ({ x, y }) => (y - intercept - slope * x) ** 2);
  return { intercept, slope, rSquared: 1 - residual / sumOf(points, ({ y }) => (y - meanY) ** 2) };
}

/** The p, to a hundredth, that y = a + b · x^p fits best with: 1 is linear, 2 is quadratic. */
export function fitExponent(points: readonly Point[]): number {
  let best = { p: 0, rSquared: Number.NEGATIVE_INFINITY };
  for (let hundredths = 50; hundredths <= 250; hundredths += 1) {
    const p = hundredths / 100;
    const { intercept, rSquared } = fitLine(points.map(({ x, y }) => ({ x: x ** p, y })));
    // A link of nothing takes no negative time.
    if (intercept >= 0 && rSquared > best.rSquared) best = { p, rSquared };
  }
  return best.p;
}
