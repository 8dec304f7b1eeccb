"""Vietnamese."""

from agent_worker.nlu.phrase_table import PhraseTable

TABLE = PhraseTable(
    danger="""
    tự_tử/tự_sát/tự_vẫn/tự_hại/tự_tu/quyên_sinh
    giết/làm_hại/làm_đau/kết_liễu/treo_cổ chính_mình/bản_thân/mình/bản_thân_mình/đời_mình/cuộc_đời
    tôi/mình/em/tui/con/t ... muốn/chỉ_muốn/ước/thà chết/được_chết/chết_đi/chết_quách/chết_cho_xong
    không/chẳng/ko/k/chả/hết/hong ... muốn/thiết/thể ... sống
    không/chẳng/ko ... lý_do/ý_nghĩa/lí_do ... sống
    kết_thúc/chấm_dứt/kết_liễu ... cuộc_đời/cuộc_sống/đời_mình/mạng_sống/tất_cả
    chán/mệt_mỏi/mệt ... sống/cuộc_sống
    chán sống
    cuộc sống ... vô_nghĩa/không_còn
    quá_liều/uống/nuốt ... nhiều/hết/cả/vỉ/lọ ... thuốc/thuốc_ngủ
    dùng thuốc quá_liều
    cắt/rạch ... cổ_tay/tay_mình/mạch_máu
    nhảy ... cầu/lầu/tòa_nhà ... tự/chết/xuống
    nhảy cầu/lầu
    dọa/doạ/định/muốn/đòi giết tôi/em/mình
    không có tôi ... tốt_hơn
    """,
    person="""
    nói_chuyện/nói/gặp/chat/trò_chuyện/trao_đổi/liên_hệ/kết_nối/chuyển/nối_máy/được_gặp/tư_vấn ... với/cho/tới/
    đến/sang/gặp ... người/nhân_viên/người_thật/tư_vấn_viên/tổng_đài_viên/ai_đó/quản_lý/con_người/
    chăm_sóc_khách_hàng/tổng_đài/đại_diện/đồng_nghiệp/hỗ_trợ_viên
    gặp/gọi/cần/muốn/cho_tôi/cho_em/cho_mình nhân_viên/người_thật/tư_vấn_viên/tổng_đài_viên/quản_lý/con_người/
    một_nhân_viên/gặp_nhân_viên
    gặp/muốn/cần ... người_thật/nhân_viên/tư_vấn_viên/tổng_đài_viên
    người/nhân_viên thật/thực/thật_sự
    có ... nhân_viên/ai/người ... nào/có_thể ... giúp/gọi/trả_lời/hỗ_trợ
    gọi_lại/gọi_điện/gọi ... cho_tôi/cho_em/cho_mình
    không ... muốn ... nói_chuyện/chat ... bot/robot/máy
    """,
    legal="""
    kiện
    luật_sư
    ra/lên/trước tòa/toà/tòa_án/toà_án
    khởi_kiện
    hành_động/biện_pháp/thủ_tục pháp_lý/pháp_luật
    báo ... công_an/cảnh_sát
    bảo_vệ/hội quyền_lợi_người_tiêu_dùng/người_tiêu_dùng/bảo_vệ_người_tiêu_dùng
    """,
    chargeback="""
    chargeback*/bồi_hoàn
    tra_soát/khiếu_nại/tranh_chấp/phản_đối ... ngân_hàng/giao_dịch/thẻ/thanh_toán/khoản
    ngân_hàng ... đòi_lại/hoàn_lại/hoàn/hủy/thu_hồi/tra_soát/khiếu_nại/tranh_chấp
    giao_dịch/khoản_phí/khoản_thu/thanh_toán trái_phép/không_được_phép/không_ủy_quyền
    """,
    deletion="""
    xóa/xoá/hủy/huỷ/xoa ... dữ_liệu/tài_khoản/thông_tin/hồ_sơ/thông_tin_cá_nhân ... tôi/em/mình/cá_nhân/của_tôi
    xóa/xoá tài_khoản/dữ_liệu/thông_tin
    quyền được lãng_quên
    """,
    negated="""
    không/ko/chẳng/khỏi ... muốn/cần/phải ... nói_chuyện/gặp/chat/nói/người/nhân_viên/trao_đổi ... với/người/
    nhân_viên/thật ... người/nhân_viên/ai
    không/ko/chẳng ... muốn/cần ... nhân_viên/người_thật/gặp_nhân_viên
    không muốn chết
    chết/chết_vì cười/đói/nóng/lạnh/tò_mò/chán/mất/khát
    cây*/hoa/sâu/rệp/côn_trùng/cỏ ... chết/giết/diệt
    """,
    greeting="xin chào|chào|chào bạn|chào shop|chào anh|chào chị|chào em|chào ad|alo|hello|hi|hi shop"
    "|chào buổi sáng|chào buổi tối|chào buổi chiều|bạn khỏe không|khỏe không|shop ơi|ad ơi|bạn ơi"
    "|em chào anh|em chào chị|hế lô|dạ chào|xin chào bạn",
    thanks="vì đã giúp đỡ|đã giúp|đã giúp đỡ|vì đã giúp|đã hỗ trợ|cảm ơn|cám ơn|cảm ơn bạn|cảm ơn nhiều"
    "|cám ơn nhiều|cảm ơn bạn nhiều|cảm ơn rất nhiều|xin cảm ơn|cảm ơn shop|cảm ơn ad|cảm ơn anh"
    "|cảm ơn chị|cảm ơn em|thank you|thanks|tks|cảm ơn vì đã giúp đỡ|tuyệt|tuyệt vời|tốt|tốt lắm|rất tốt"
    "|hay quá|hoàn hảo|giỏi quá|bạn giỏi quá|bạn tuyệt vời|hiểu rồi|tôi hiểu rồi|đã hiểu|rõ rồi|hữu ích"
    "|rất hữu ích|thế thôi|vậy thôi|vâng cảm ơn|dạ cảm ơn|ok cảm ơn|xịn",
    goodbye="tạm biệt|chào tạm biệt|bye|bai|bái bai|hẹn gặp lại|chúc ngủ ngon|ngủ ngon|chúc một ngày tốt lành"
    "|chúc ngày tốt lành|gặp lại sau|pp|chào nhé",
    complaint="sai|sai rồi|sai bét|như vậy là sai|điều đó sai|điều đó không đúng|không đúng|không đúng rồi"
    "|câu trả lời sai|trả lời sai|trả lời sai rồi|câu trả lời của bạn sai|câu trả lời của bạn không đúng"
    "|câu trả lời không đúng|bạn sai rồi|bạn nhầm rồi|nhầm rồi|không giúp được gì|không giúp ích gì"
    "|không hữu ích|chẳng giúp được gì|tôi không hỏi cái đó|tôi không hỏi vậy|tôi không hỏi như vậy"
    "|đó không phải câu hỏi của tôi|không phải câu tôi hỏi|bạn không hiểu|bạn không hiểu tôi"
    "|bạn không hiểu ý tôi|không hiểu gì cả|bạn chưa trả lời câu hỏi của tôi|chưa trả lời câu hỏi|vô lý"
    "|vớ vẩn|nhảm nhí|nói dối|vô dụng|tệ quá|không chính xác",
    abilities="bạn có thể làm gì|bạn làm được gì|bạn làm được những gì|bạn có thể giúp gì|bạn giúp được gì"
    "|bạn có thể giúp gì cho tôi|bạn là ai|bạn là gì|bạn là bot à|bạn là bot|bạn là robot"
    "|bạn có phải là người không|bạn có phải người thật không|giúp|giúp tôi|giúp tôi với|giúp mình với"
    "|giúp với|cứu|tôi cần giúp đỡ|tôi cần hỗ trợ|cần hỗ trợ|bạn giúp tôi được không"
    "|bạn có thể giúp tôi không|tôi có câu hỏi|tôi có một câu hỏi|cho hỏi|cho mình hỏi|cho em hỏi"
    "|cho tôi hỏi|tôi muốn hỏi|cái này hoạt động thế nào",
    presence="có ai không|có ai ở đó không|có ai đó không|có ai ở đây không|bạn có đó không|bạn còn đó không"
    "|alo có ai không|có ai k|còn đó không|shop có đó không|ad có đó không|có ai trực không",
    person_short="người thật|nhân viên|gặp nhân viên|tư vấn viên|tổng đài viên|con người|gặp người thật"
    "|chăm sóc khách hàng|nhân viên tư vấn|nhân viên hỗ trợ|tổng đài",
    filler="bạn|anh|chị|em|shop|ad|ạ|nhé|nha|nhiều|rất|lắm|quá|và|mọi|người|vâng|dạ|ok|được|rồi|nhe|ơi|cả|nhà"
    "|thế|vậy|thì|của|đã|giúp|đỡ|cô|chú|luôn|hihi",
    laugh="haha|hahaha|hihi|hehe|kkk|kaka|lol|vui quá|buồn cười quá|ok|oke|ừ|ờ|vâng|dạ|à|hmm|test|ồ",
)
