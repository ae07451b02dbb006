"use strict";

// What the page says, in both languages.
const WORDS = {
  en: {
    untouched: "Untouched keys", fit: "Fit", fitTitle: "Show the whole graph (0)", in: "Zoom in (+)", out: "Zoom out (−)",
    language: "中文", languageTitle: "用中文显示", theme: "Light or dark", legend: "Legend", search: "Find a key", close: "Close (Esc)",
    input: "Input", output: "Output", inputLong: "The data set as it is read", outputLong: "The data set as it is written",
    reads: "Reads", writes: "Writes", columns: "Columns", parameters: "Parameters", keys: "Keys", passes: "Passes",
    serving: "serving", more: n => `+${n} more`, columnCount: n => `${n} ${n === 1 ? "column" : "columns"}`,
    facts: (steps, keys, servings) => `${steps} ${steps === 1 ? "step" : "steps"} · ${keys} ${keys === 1 ? "key" : "keys"}${servings.length ? ` · serving: ${servings.join(", ")}` : ""}`,
    generate: "columns or rows are made", eval: "scores are given", filter: "rows are kept or dropped", refine: "texts are changed",
    colours: "steps, first to last", isInput: "where rows come from", isOutput: "where rows go",
    lineKeys: "keys that a step reads", lineUntouched: "keys that nothing changes", lineRows: "rows pass, no key is read", canvas: "Pipeline graph",
  },
  zh: {
    untouched: "未改动的键", fit: "适应窗口", fitTitle: "显示整张图 (0)", in: "放大 (+)", out: "缩小 (−)",
    language: "English", languageTitle: "Show in English", theme: "浅色或深色", legend: "图例", search: "查找键", close: "关闭 (Esc)",
    input: "输入", output: "输出", inputLong: "读入的数据集", outputLong: "写出的数据集",
    reads: "读取", writes: "写入", columns: "列", parameters: "参数", keys: "键", passes: "传递",
    serving: "模型服务", more: n => `另有 ${n} 个`, columnCount: n => `${n} 列`,
    facts: (steps, keys, servings) => `${steps} 个步骤 · ${keys} 个键${servings.length ? ` · 模型服务：${servings.join("、")}` : ""}`,
    generate: "生成新的列或行", eval: "给出评分", filter: "保留或丢弃行", refine: "改写文本",
    colours: "步骤，从先到后", isInput: "数据从这里来", isOutput: "数据到这里去",
    lineKeys: "步骤读取的键", lineUntouched: "没有步骤改动的键", lineRows: "行流过，但不读取键", canvas: "流水线图",
  },
};

let language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
const word = name => WORDS[language][name];
