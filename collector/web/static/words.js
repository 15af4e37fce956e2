// The few words that scripts say; everything else comes rendered from the server.

const zh = document.documentElement.lang.startsWith("zh");

export const words = zh
  ? {
      lang: "zh",
      live: "实时", offline: "离线", alert: "新告警",
      signedOut: "已退出", ended: "登录已结束，内容不再显示。", signIn: "重新登录",
      away: "与服务器的连接中断，页面每 30 秒重试一次；显示的可能不是最新数据。",
      noPoints: "这段时间没有数据", min: "最低", max: "最高", mean: "平均", time: "时间",
      doubtful: "存疑", failed: "图表数据暂时取不到",
      namesOff: "没有配置身份库，只显示代号。", namesAway: "暂时连不上身份库，只显示代号。",
      namesRefused: "身份库没有同意提供姓名，只显示代号。", namesLater: "查询次数太多，稍后再显示姓名。",
      namesGarbage: "身份库的答复看不懂，只显示代号。",
      namesClosed: "本岗位平时不能查看这些姓名，只显示代号。",
      namesUntil: (time, purpose) => `紧急查看（${purpose}）：姓名显示到 ${time}。`,
      glassReason: (min, max) => `请用 ${min} 到 ${max} 个字写明理由。`,
      glassAway: "连不上身份库，没有成功。请直接联系班主任或校医。",
      glassRefused: "身份库没有同意。请直接联系班主任或校医。",
      glassLater: "申请次数太多，身份库暂不受理。请直接联系班主任或校医。",
      glassGarbage: "身份库的答复看不懂，没有成功。请直接联系班主任或校医。",
    }
  : {
      lang: "en",
      live: "live", offline: "offline", alert: "New alert",
      signedOut: "signed out", ended: "You are signed out; nothing is shown any more.", signIn: "Sign in again",
      away: "The line to the server is down. The page tries again every 30 s; what you see may be old.",
      noPoints: "No data in this range", min: "min", max: "max", mean: "mean", time: "time",
      doubtful: "doubtful", failed: "The chart's data cannot be fetched now",
      namesOff: "No vault is configured: pseudonyms instead of names.",
      namesAway: "The vault cannot be reached: pseudonyms instead of names.",
      namesRefused: "The vault did not agree to give names: pseudonyms instead.",
      namesLater: "The vault was asked too often: names will come later.",
      namesGarbage: "The vault's answer makes no sense: pseudonyms instead of names.",
      namesClosed: "This role does not usually see these names: pseudonyms instead.",
      namesUntil: (time, purpose) => `Emergency (${purpose}): names are shown until ${time}.`,
      glassReason: (min, max) => `Please give a reason of ${min} to ${max} characters.`,
      glassAway: "The vault cannot be reached. Please call the class teacher or the school nurse.",
      glassRefused: "The vault did not agree. Please call the class teacher or the school nurse.",
      glassLater: "The vault was asked too often. Please call the class teacher or the school nurse.",
      glassGarbage: "The vault's answer makes no sense. Please call the class teacher or the school nurse.",
    };

const UNITS = zh
  ? [[86400, "天前"], [3600, "小时前"], [60, "分钟前"], [1, "秒前"]]
  : [[86400, "d ago"], [3600, "h ago"], [60, "min ago"], [1, "s ago"]];

// The server's clock, which ages and the chart's right edge go by; set from every answer.
export const clock = { aheadMs: 0, now: () => Date.now() + clock.aheadMs };

export function ageText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? UNITS.at(-1);
  return `${Math.floor(seconds / size)} ${unit}`;
}

const SPANS = zh
  ? [[86_400_000, "天"], [3_600_000, "小时"], [60_000, "分钟"], [1_000, "秒"]]
  : [[86_400_000, "days"], [3_600_000, "hours"], [60_000, "minutes"], [1_000, "seconds"]];

const GRAINS = {
  "1m": [60_000, zh ? "每分钟" : "minute"],
  "1h": [3_600_000, zh ? "每小时" : "hour"],
};

// How fine a chart is: how long its windows are, and which roll-ups they were made of. No step: every reading.
export function grainText(stepMs, resolution, hasBand) {
  if (stepMs === null) return zh ? "原始读数" : "every reading";
  const [size, unit] = SPANS.find(([size]) => stepMs % size === 0) ?? SPANS.at(-1);
  const count = stepMs / size;
  const span = count > 1 ? ` ${count} ${unit}` : zh ? unit : ` ${unit.slice(0, -1)}`;
  let text = zh ? `每${span}一个点` : `a point every${span}`;
  const [grainMs, grain] = GRAINS[resolution] ?? [stepMs, ""];
  if (grainMs !== stepMs) text += zh ? `，来自${grain}汇总` : `, rolled up by the ${grain}`;
  if (hasBand) text += zh ? "；浅色带为最低到最高" : "; the band is lowest to highest";
  return text;
}

export function numberText(value) {
  if (value && Math.abs(value) < 0.001) return value.toPrecision(2);
  return String(Number(value.toFixed(3)));
}

// Units whose code people would not write; the server has the same table (wording.py).
const UNIT_TEXT = {
  Cel: "°C", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "uS/cm": "µS/cm", "dB[mW]": "dBm",
  m3: "m³", "m3/h": "m³/h", um: "µm", "kg/m2": "kg/m²", "/min": "次/分", Ohm: "Ω",
  1: "", bool: "", "unit differs by model": "",
};

export const unitText = (unit) => UNIT_TEXT[unit] ?? unit;
