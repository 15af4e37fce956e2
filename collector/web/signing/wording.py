"""Roles, permissions and what was done, in words."""

from __future__ import annotations

import re
from typing import Final

from collector.accounts.permissions import Permission
from collector.text import Language, Text
from collector.web.roles import ROLE_WORDS

PERMISSION_WORDS: Final[dict[Permission, Text]] = {
    "series.read": Text("房间与设备数据", "Rooms and devices"),
    "alerts.health": Text("健康告警", "Health alerts"),
    "alerts.class": Text("本班健康告警（不含数值）", "Health alerts of the own class, no values"),
    "alerts.safety": Text("安全告警", "Safety alerts"),
    "alerts.acknowledge": Text("确认告警", "Acknowledge alerts"),
    "records.health": Text("健康记录（仅代号）", "Health records (pseudonyms)"),
    "records.sport": Text("运动记录（仅代号）", "Sport records (pseudonyms)"),
    "records.nutrition": Text("用餐记录（仅代号）", "Meal records (pseudonyms)"),
    "names.ask": Text("向身份库查询姓名", "Ask the vault for names"),
    "gateways.read": Text("网关状态", "Gateways"),
    "gateways.manage": Text("管理网关", "Manage gateways"),
    "configurations.manage": Text("管理网关配置", "Manage configurations"),
    "exports.series": Text("导出环境数据", "Export readings"),
    "exports.records": Text("导出个人记录（仅代号）", "Export records (pseudonyms)"),
    "accounts.manage": Text("管理账号", "Manage accounts"),
    "audit.read": Text("查看操作记录", "Read the audit"),
    "operation.read": Text("运行指标", "Metrics of the collector"),
}
ACTION_WORDS: Final = {
    "sign_in": Text("登录", "Signed in"),
    "first_factor": Text("密码正确，等待验证码", "Password right, code awaited"),
    "sign_in_failed": Text("登录失败", "Signing in failed"),
    "sign_in_refused": Text("登录被拒绝", "Signing in refused"),
    "role_refused": Text("统一身份认证的岗位不符", "Role not confirmed by the sign-in service"),
    "locked": Text("账号锁定", "Account locked"),
    "sign_out": Text("退出", "Signed out"),
    "sign_out_all": Text("在所有设备上退出", "Signed out everywhere"),
    "password_changed": Text("修改密码", "Password changed"),
    "password_reset": Text("重置密码", "Password reset"),
    "totp_set": Text("设置两步验证", "Second factor set up"),
    "totp_removed": Text("取消两步验证", "Second factor removed"),
    "totp_reset": Text("重置两步验证", "Second factor reset"),
    "recovery_code_used": Text("使用恢复码", "Recovery code used"),
    "account_added": Text("新建账号", "Account added"),
    "account_changed": Text("修改账号", "Account changed"),
    "account_disabled": Text("停用账号", "Account disabled"),
    "account_enabled": Text("启用账号", "Account enabled"),
    "account_unlocked": Text("解除锁定", "Account unlocked"),
    "oidc_linked": Text("关联统一身份认证", "Linked to the sign-in service"),
    "oidc_unlinked": Text("取消统一身份认证关联", "Link to the sign-in service removed"),
    "token_made": Text("新建令牌", "Token made"),
    "token_revoked": Text("撤销令牌", "Token revoked"),
    "audit_cut": Text("清理到期的操作记录", "Old rows of the audit removed"),
    "read": Text("查看个人数据", "Personal data read"),
    "gateway.add": Text("手工登记网关", "Gateway added by hand"),
    "gateway.invite": Text("生成网关注册码", "Gateway invited"),
    "gateway.enrol": Text("网关注册", "Gateway enrolled"),
    "gateway.replace": Text("更换网关", "Gateway replaced"),
    "gateway.rotate": Text("网关换密钥", "Gateway's key changed"),
    "gateway.revoke": Text("吊销网关", "Gateway revoked"),
}
"""What stands in the audit; an action of another room is shown as it is written there."""

_WAYS: Final = {
    "password": Text("密码", "password"),
    "code": Text("验证码", "code"),
    "recovery code": Text("恢复码", "recovery code"),
    "sign-in service": Text("统一身份认证", "sign-in service"),
    "disabled": Text("账号已停用", "disabled"),
    "locked": Text("账号锁定中", "locked"),
    "not linked": Text("未关联账号", "not linked"),
    "no such account": Text("没有这个账号", "no such account"),
    "no password": Text("账号没有密码", "no password"),
}
_FROM: Final = re.compile(r"(.+) from (\S+)")
_CUT_ROWS: Final = re.compile(r"(\d+)-(\d+)")
_CUT: Final = re.compile(r"([0-9a-f]{8})[0-9a-f]{56}(?:, (\d+) did not fit)?")
_RIGHTS: Final = re.compile(r"([a-z_]+); schools: (.+); classes: (.+)")


def detail_words(detail: str, language: Language) -> str:
    """What stands beside a row of the audit; what has no words here stands as it was written."""
    if found := _FROM.fullmatch(detail):
        way = _WAYS.get(found[1], Text(found[1], found[1]))
        return Text(f"{way.zh}，来自 {found[2]}", detail).in_(language)
    if found := _CUT_ROWS.fullmatch(detail):
        return Text(f"第 {found[1]} 至 {found[2]} 条", f"rows {found[1]} to {found[2]}").in_(language)
    if found := _CUT.fullmatch(detail):
        wrong = Text(f"，其中 {found[2]} 处对不上", f", {found[2]} did not fit") if found[2] else Text("", "")
        return Text(f"末条校验值 {found[1]}{wrong.zh}", f"link of the last {found[1]}{wrong.en}").in_(
            language
        )
    if found := _RIGHTS.fullmatch(detail):
        role = next((words.zh for name, words in ROLE_WORDS.items() if name == found[1]), found[1])
        schools = "全部" if found[2] == "all" else found[2]
        classes = "不限" if found[3] == "not limited" else found[3]
        return Text(f"{role}；学校：{schools}；班级：{classes}", detail).in_(language)
    return next((words.in_(language) for name, words in PERMISSION_WORDS.items() if name == detail), detail)
