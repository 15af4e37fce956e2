"""Why something went no further, in words: for drops of a gateway and refusals at intake."""

from __future__ import annotations

from typing import Final

from collector.text import Language, Text

REASONS: Final = {
    "dropped": Text("缓存已满丢弃", "dropped, buffer full"),
    "thinned": Text("抽稀", "thinned"),
    "damaged": Text("损坏", "damaged"),
    "disk_full": Text("磁盘已满", "disk full"),
    "disk_slow": Text("磁盘太慢", "disk too slow"),
    "rejected": Text("被拒收", "rejected"),
    "quantity_not_registered": Text("量未登记", "quantity not registered"),
    "unknown_card": Text("未知卡", "unknown card"),
    "map_unusable": Text("卡表不可用", "card map unusable"),
    "no_consent": Text("未获同意", "no consent"),
    "device_is_worn": Text("佩戴设备的状态不采集", "state of a worn device"),
    "not_in_policy": Text("不在采集范围", "not in the policy"),
    "no_credential": Text("没有卡号", "no credential"),
    "unknown_address": Text("未登记的地址", "unknown address"),
    "bands_too_many": Text("手环过多", "too many bands"),
    "secure_channel_refused": Text("读卡器加密失败", "reader's secure channel refused"),
    "pictures_discarded": Text("照片已丢弃", "pictures discarded"),
    "messages_overflowed": Text("消息太多", "too many messages"),
    "no_device_for_path": Text("设备未登记", "device not registered"),
    "no_known_characteristic": Text("没有可用的量", "no known quantity"),
    "missing_value": Text("设备没有给值", "device gives no value"),
    "blank": Text("设备没有给值", "device gives no value"),
    "exception": Text("设备拒绝读取", "device refuses"),
    "bad_crc": Text("校验错误", "wrong checksum"),
    "truncated": Text("内容不完整", "cut off"),
    "too_short": Text("内容不完整", "cut off"),
    "wrong_length": Text("长度不符", "wrong length"),
    "wrong_unit": Text("地址不符", "another device's answer"),
    "device_time_unset": Text("设备没有校时", "device clock never set"),
    "out_of_range": Text("超出量程", "out of range"),
    "driver_overflow": Text("来不及处理", "driver overflow"),
    "no_device_for_topic": Text("设备未登记", "device not registered"),
    "no_device_for_message": Text("设备未登记", "device not registered"),
    "not_json": Text("不是 JSON", "not JSON"),
    "empty": Text("空消息", "empty message"),
    "too_large": Text("消息过大", "message too large"),
    "too_deep": Text("嵌套过深", "nested too deeply"),
    "not_an_object": Text("格式不对", "wrong shape"),
    "no_known_field": Text("没有可用的量", "no known quantity"),
    "null_value": Text("空值", "null value"),
    "not_a_number": Text("不是数字", "not a number"),
    "not_a_bool": Text("不是开关量", "not yes or no"),
    "not_finite": Text("无穷或非数", "not a finite number"),
    "not_in_map": Text("未知状态", "unknown state"),
    "number_too_large": Text("数值过大", "number too large"),
    "unknown_unit": Text("未知单位", "unknown unit"),
    "retained_event": Text("旧的保留消息", "old retained event"),
    "bad_device_time": Text("设备时间有误", "bad device time"),
    "device_time_in_future": Text("设备时间超前", "device time in the future"),
    "no_temperature": Text("没有体温", "no temperature"),
    "temperature_impossible": Text("体温不可能", "impossible temperature"),
    "unknown_site": Text("未知部位", "unknown site"),
    "unknown_version": Text("未知版本", "unknown version"),
    "bad_card": Text("卡号有误", "bad card number"),
    "unknown_key": Text("未登记的密钥", "unregistered key"),
    "revoked": Text("网关已吊销", "revoked gateway"),
    "no_certificate": Text("未出示证书", "no certificate shown"),
    "foreign_certificate": Text("证书不是该网关的", "not that gateway's certificate"),
    "wrong_signature": Text("签名不符", "wrong signature"),
    "wrong_sender": Text("发送者不符", "wrong sender"),
    "wrong_topic": Text("主题不符", "wrong topic"),
    "bad_envelope": Text("信封损坏", "bad envelope"),
    "bad_status": Text("状态消息有误", "bad status message"),
    "undecodable": Text("无法解码", "undecodable"),
    "record_on_bulk": Text("通道不符", "record on the bulk stream"),
    "time_in_future": Text("时间超前", "time in the future"),
    "time_too_old": Text("时间过早", "time too old"),
    "bad_topic": Text("主题有误", "bad topic"),
    "name_not_allowed": Text("名称不合规", "name not allowed"),
    "personal_quantity": Text("个人数据走错通道", "personal quantity on the ambient lane"),
    "too_many_records": Text("记录过多", "too many records"),
    "too_many_series": Text("序列过多", "too many series"),
    "too_many_generations": Text("缓存代数过多", "too many generations"),
    "too_many_holes": Text("缺口过多", "too many holes"),
    "absurd_gap": Text("缺口声明不合理", "absurd gap"),
    "not_storable": Text("无法入库", "cannot be stored"),
    "plugin_unusable": Text("插件数据无效", "unusable, from a plug-in"),
    "plugin_failed": Text("插件驱动出错", "driver of a plug-in failed"),
    "driver_failed": Text("驱动出错后重启", "driver failed, started again"),
    "fault": Text("程序错误", "program fault"),
}
SHOWN_MAX: Final = 4


def counts_text(by_reason: dict[str, int], language: Language) -> str:
    """Counts by reason, the largest first; a reason without words is shown as it is."""
    by_words: dict[str, int] = {}
    for reason, count in by_reason.items():
        if count:
            words = REASONS[reason].in_(language) if reason in REASONS else reason
            by_words[words] = by_words.get(words, 0) + count
    largest = sorted(by_words.items(), key=lambda one: (-one[1], one[0]))
    parts = [f"{words} {count:,}" for words, count in largest[:SHOWN_MAX]]
    parts += ["…"] * (len(largest) > SHOWN_MAX)
    return "，".join(parts) if language == "zh" else ", ".join(parts)
