package verdict

// lexicon lists the words. A "*" stands for any end of a word, and "_" for the space in an expression.
// The words of languages that write no spaces are found anywhere.
var lexicon = []struct {
	says  concept
	words string
}{
	// Who.
	{money, `
		balance* credit credits fund funds funding payment* bill bills billing invoice* budget
		budgets spend spending overspend* cost costs wallet prepaid postpaid recharge*
		recharging top_up topup top-up deposit* debt dollar dollars usd money card credit_card
		afford charge unpaid* arrear* arrearage overdraft purchase_credits ledger saldo
		credito* fondos pago pagos pagamento factura* fatura* dinero recarga* guthaben*
		zahlung* rechnung* abrechnung* kontostand* solde* paiement* facturation*
		余额 欠费 充值 账单 付费 费用 资金 额度包 资源包 代金券 支付 扣费 预算 結算 餘額 儲值
		残高 支払* 請求 課金 予算
		クレジット
		잔액 크레딧 결제 요금
		баланс* средств* оплат* кредит* счет* счёт* пополн*
		crédito* facturación crédits
	`},
	{limit, `
		your_capacity limited_to quota quotas limit limits limited allowance* usage
		capacity_quota allocation* cap caps allotment threshold free_requests free_calls
		requests_per_day request_count uses token_budget usages limite* cuota* cota cotas uso
		kontingent* quote plafond
		配额 额度 用量 限额 上限 使用量 次数 限制 套餐额度 免费额度 配額 額度 制限 利用枠
		クォータ
		한도 할당량 사용량
		лимит* квот*
		límite*
	`},
	{rate | limit, `
		rate_limit* rate_limits rate_limited rate_limiting ratelimit* rate-limit* ratelimited throttl* rpm tpm rpd tpd tps qps rps
		concurrency concurrent requests_per tokens_per request_rate burst too_many_requests
		too_many_tokens too_many_calls too_many_concurrent too_frequent* too_often flow_control
		request_frequency frequency requests_too demasiadas_solicitudes zu_viele_anfragen
		频率 限流 并发 频繁 速率 频次 请求过多 请求数 每分钟 頻繁 頻率
		レート制限 リクエストが多すぎ
		요청이_너무 너무_많은_요청
		слишком_много_запросов
		muitas_solicitações muitas_requisições trop_de_requêtes
	`},
	{key | method, `authentication auth oauth oauth2 login sign-in authentication_type`},
	{key, `
		subscription_key ak key keys apikey* api_key api-key token jwt bearer credential
		credentials logins authenticate signature session sessions authorization
		authorization_header passcode secret access_token refresh_token accesskey password
		authenticating x-api-key certificate pat authtoken authkey signin sign-in logged
		identity authorizationtoken clave chave credencial* anmeldung* authentifizier* clef
		jeton* authentification
		密钥 令牌 鉴权 认证 身份验证 凭证 登录 登錄 金鑰 憑證 授权 認証 資格情報
		キー トークン
		키 토큰 인증
		ключ* токен* авторизац* аутентификац*
		autenticación autenticação schlüssel* clé
	`},
	{account, `
		account accounts user users organization organizations organisation org workspace
		workspaces project projects team teams tenant tenants consumer customer customers
		subscriber member members company company's subaccount enterprise appid app_id cuenta conta usuario
		konto benutzer* compte utilisateur*
		账号 账户 帐号 帐户 用户 组织 租户 项目 帳號 帳戶 使用者 組織
		アカウント ユーザー
		계정 사용자 조직
		аккаунт* учётн* учетн* пользовател*
		usuário organización organização
	`},
	{model, `
		model models deployment deployments engine engines endpoint inference_profile
		checkpoint modelo* modell*
		模型 接入点 部署
		モデル
		모델
		модел*
		modèle*
	`},
	{family, `opus sonnet haiku fable`},
	{named, `o1 o3 o4`},
	{model | group, `premium_model premium_models`},
	{group, `premium_request premium_requests premium_interactions`},
	{key | notFound, `unregistered_callers`},
	{place, `
		referer referrer http_referrer referers country countries region regions territory
		territories location locations geography geo jurisdiction ip ip_address ips regiao land
		pays firewall
		地区 国家 区域 地域 地址 白名单 国
		지역 국가
		стран* регион*
		país região región région
	`},
	{feature, `
		api apis feature features operation method action resource resources product interface
		接口 功能
	`},
	{client, `
		client_application integration application app client third-party third_party
		claude_code coding_agents coding_agent
		客户端 应用
		クライアント
		클라이언트
		приложени*
	`},
	{plan, `
		extra_usage plan plans tier tiers subscription subscriptions subscribe* subscribed
		package trial free-tier license licenses licence entitlement* membership assinatura
		abonnement* abo
		套餐 订阅 会员 版本 訂閱
		プラン サブスクリプション
		구독 요금제
		подписк* тариф*
		suscripción
	`},
	{permission, `
		permission permissions scope scopes access privilege* role roles authority rights
		permiso* acceso acesso berechtigung* zugriff* autorisation*
		权限 访问 權限 存取 権限
		アクセス
		권한 접근
		доступ* прав
		permissão permissões accès
	`},
	{upstream, `
		upstream upstreams from_provider provider_returned provider_error backend backends
		downstream channel channels
		上游 渠道 供应商
		업스트림
		вышестоящ* канал*
	`},
	{vendor, `
		server servers service services system gateway cluster node nodes instance worker
		workers gpu machine servidor servicio dienst serveur*
		服务器 服务 系统 服務 伺服器
		サーバー サービス
		서버 서비스
		сервер* сервис*
		serviço
	`},
	{request, `
		project_id user_id org_id organization_id account_id workspace_id space_id
		deployment_id request parameter parameters param params argument input inputs body
		field fields value message prompt image images file files json schema context
		context_length max_tokens payload tool tools content-type format url path temperature string array integer enum length base64
		function functions previous_response
		solicitud anfrage*
		参数 请求体 输入 参数值
		リクエスト パラメータ
		요청
		параметр* запрос*
		parámetro* parâmetro* requête* paramètre*
	`},
	{content | misuse, `
		flagged sensitive_information sensitive_content sensitive_words illegal_detected
		审核不通过 违法
	`},
	{content, `
		content moderation unsafe sensitive inappropriate nsfw safety
		内容 敏感 违规内容 安全审核
	`},

	// What.
	{lacking, `
		insufficient* not_enough n'a_pas too_low empty zero none missing negative low inadequate
		unsufficient insuficiente* sem sin falta nicht_ausreichend insuffisant*
		不足 没有 缺少 無
		ありません
		부족 없습니다 없음
		недостаточн* нет отсутству*
		nicht_genügend
	`},
	{lacking | not, `no`},
	{lacking | seeks, `lack lacks lacking without`},
	{overdue, `
		overdue past_due past-due unpaid arrear* arrears delinquent late_payment outstanding
		arrearage vencida*
		欠费 逾期 未支付 未付 延滞 未払
		연체 미납
		просроч*
		überfällig* impayé*
	`},
	{usedUp, `
		exhausted exhaust exhausts used_up used_all consumed depleted spent run_out ran_out
		runs_out running_out out_of all_used exhaustion finished been_used expended drained
		maxed outofcredit* out agotad* esgotad* aufgebraucht*
		用尽 用完 耗尽 已用完 已耗尽 已达 达到 使い切 枯渇
		소진
		исчерпан* закончил*
		erschöpft* épuisé*
	`},
	{exceeded, `
		exceed* exceeding exceeds over reached reach hit reaching surpassed overlimit overrun
		beyond limited above overage outside excedid* superad* atingid* alcanzad*
		ultrapass* erreicht* atteint*
		超出 超过 超限 超額 触发 达到 受限 过多 过于 已达到 超え 達し
		초과 도달
		превышен* достигнут*
		überschritten* dépassé*
	`},
	{invalid, `
		invalid incorrect wrong bad unauthorized fail_validation illegal unaccepted
		unrecognised unverified not_valid incorrect* falsch* invalide* incorrecte
		無効 不正 无效 错误 不正确 不合法 非法 有误 未认证 未授权 校验失败 無效
		잘못된 유효하지 무효
		невер* недействител* некоррект*
		inválid* ungültig*
	`},
	{expired, `
		expired expire expires expiry expiration stale ended lapsed timed_out_token caducad*
		expirad* vencid* abgelaufen*
		过期 失效 到期 已过期 過期 期限切れ 失効
		만료
		истек* истёк* просрочен*
		expiré*
	`},
	{revoked, `
		revoked revocation invalidated leaked compromised exposed deleted removed rotated
		withdrawn disconnected revocad* eliminad* widerrufen*
		吊销 撤销 已删除 作废 取り消 削除
		취소 삭제
		отозван* удален* удалён*
		gelöscht* révoqué* supprimé*
	`},
	{notFound, `
		unknown unrecognized nonexistent non-existent not-found notfound unregistered
		not_registered no_encontrad* nicht_gefunden introuvable
		不存在 未找到 找不到 見つかりません 存在しません
		찾을_수_없
		не_найден*
		não_encontrad*
	`},
	{inactive, `
		disabled deactivated inactive suspended blocked locked frozen restricted closed disable
		deactivate suspension paused halted stopped unavailable_account shut deprovisioned
		archived hold restricts abnormal desactivad* desativad* suspendid* bloquead* suspensa
		deaktiviert* gesperrt* suspendu*
		禁用 停用 冻结 封禁 锁定 暂停 关闭 异常 注销 停服 凍結 無効化 停止
		비활성 정지 차단
		заблокирован* отключен* отключён* приостановлен*
		désactivé* bloqué*
	`},
	{banned, `
		banned ban terminated blacklisted permanently
		封号
	`},
	{misuse, `
		violation violated violates violating abuse abusive tos fraud
		违规 違反
		위반
		нарушен*
		violação violación verstoß*
	`},
	{denied, `
		denied forbidden disallowed prohibited unauthorised ineligible unsupported excluded
		exclusive_to only_allows only_accepts only_supports no_auth_error only_available only_authorized only_allowed cannot_access refuse refused
		reserved_for unavailable not_available whitelist allowlist restricted_to no_access
		mismatch denies declined gated not_for mismatched denegad* negad* verweigert* interdit*
		利用できません 拒绝 无权 不支持 禁止 不允许 无权限 未授权 拒絕 拒否 許可されて
		できません できない
		사용할_수_없 거부
		запрещ*
		refusé*
	`},
	{unready, `
		not_activated not_opened not_open notopen not_enabled unactivated activate
		not_purchased unpurchased not_yet never_used has_not_been_used not_onboarded
		未开通 未激活 未启用 未购买 未实名 开通 未訂閱 实名
	`},
	{busy, `
		overloaded overload busy congested no_capacity insufficient_capacity capacity_exceeded
		capacity_limits insufficient_model_capacity exceeded_capacity high_demand high_load
		heavy_load high_traffic heavy_traffic over_capacity at_capacity overcapacity saturated
		temporarily_unavailable currently_unavailable service_unavailable
		service_is_unavailable timeout timed_out outage maintenance internal_error crashed
		degraded no_available_channel available_right_now sobrecargad*
		繁忙 过载 拥挤 负载 超时 不可用 混雑 過負荷
		과부하
		насыщен* нагрузк*
		포화 부하 перегруж*
		überlastet* surchargé*
	`},
	{malformed, `
		malformed badly_formatted badly_formed wrong_format unparseable unexpected
		unprocessable too_long too_large too_small too_short out_of_range
		not_supported_parameter deprecated decommissioned retired unsupported_parameter
	`},
	{failed, `
		failed failure fails fail error errors rejected could_not cannot can't couldn't unable
		declined unsuccessful problem fallid* falhou falha fehlgeschlagen* fehler erreur
		失败 失敗
		エラー
		실패 오류
		ошибк* неуда*
		échoué* échec
	`},
	{needed | seeks, `
		require requires need needs requiere requer
		需要
		требует
	`},
	{needed, `
		required must necessary provide mandatory supply requerid* necesari* erforderlich*
		requis*
		必须 请提供 必要
		필요
		требу* необходим*
		necessári* nécessaire
	`},

	{key | good | invalid, `authenticated logged_in signed_in`},
	{key | invalid, `unauthenticated no_longer_a_member`},
	{money | lacking, `
		can_only_afford please_recharge please_top_up top_up_your recharge_your
		请充值
	`},
	{limit | exceeded, `regain_access`},
	{money | exceeded, `max_budget`},
	{rate | limit | exceeded, `toomanyrequests`},

	// Good words, with what their negation says.
	{good | invalid, `
		valid validated verify verified authenticate correct recognize recognized recognised
		validate accepted accept matched match matches accessible_key
	`},
	{good | invalid, `
		valide
		有效 有効
		유효하
		действител*
		válid* gültig*
	`},
	{good | lacking | seeks, `
		have has having possess tienes tiene tienen temos tem possui haben hat avez
		имеет имеете
	`},
	{good | inactive, `active enabled usable working`},
	{good | notFound, `found exist exists existing registered locate`},
	{good | lacking, `
		meet meets enough sufficient remaining left any available_balance provided present given supplied
		passed set specified specify configured supply send sent received contain
	`},
	{good | denied, `
		allowed allow allows permitted permit authorized authorised authorize entitled include
		includes included supported support supports eligible available offered accessible
		whitelisted able qualify granted grant grants belong belongs
	`},
	{good | unready, `activated opened purchased onboarded subscribed accepted_terms agreed`},
	{good | overdue, `paid settled`},

	// How to read.
	{noise, `
		request_id requestid request-id req_id trace_id traceid log_id error_code status_code
		no_credits_were_charged documentation does do is are was be been being id exception type monthly daily weekly
		hourly yearly free paid
	`},
	{not, `
		not no n't never neither nor cannot can't isn't aren't wasn't doesn't don't didn't
		hasn't haven't couldn't won't without unable non nicht kein* ne pas aucun*
		不 未 无 没有 没 非
		ない ません
		않 없
		не нет
		não
	`},
	{advice, `
		please visit see contact upgrade try consider ensure make_sure check_your check_the
		check_that refer learn go_to to_increase to_continue to_learn to_use to_get to_upgrade
		for_more for_details if_you if_this you_can switch wait retry add purchase buy increase
		manage review update double-check sign_up log_in re-authenticate reauthenticate run
		generate create head_to apply for_additional request_an request_a need_help need_more
		want received_model_group available_model_group por_favor verifique consulte bitte
		veuillez
		请 请检查 请前往 建议
		пожалуйста
	`},
	{aside, `
		of for with in on by from to under associated_with via within at per using that_owns
		which_owns
	`},
	{yours, `
		your you my caller you're you've tu su seu sua ihr* votre
		您 你 您的
		당신
		ваш* вам
	`},
	{because, `
		because due_to since reason caused_by as_a_result debido porque wegen aufgrund raison
		原因 因为 由于
		из-за
	`},
}
